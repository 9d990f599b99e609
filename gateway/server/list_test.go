package server_test

import (
	"context"
	"errors"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// seqs returns the seqs of the rows, and checks their order.
func seqs(t *testing.T, rows []server.Connection) []uint64 {
	t.Helper()
	var all []uint64
	for i, r := range rows {
		if i > 0 && r.Seq <= rows[i-1].Seq {
			t.Errorf("row %d follows row %d", r.Seq, rows[i-1].Seq)
		}
		all = append(all, r.Seq)
	}
	return all
}

func TestListPagesAndStates(t *testing.T) {
	g := start(t, server.Config{})
	f := g.follow(event.Closed)
	const n = 20
	var live, closed uint64
	for i := range n {
		p := g.open()
		if i%3 == 0 {
			p.Close()
			f.awaitType(event.Closed, p.id)
			closed++
		} else {
			live++
		}
	}
	g.settle(int(live))
	for _, limit := range []int{1, 2, 7, 1000, 0, -5} {
		for _, c := range []struct {
			state server.ListState
			want  uint64
		}{{server.ListLive, live}, {server.ListClosed, closed}, {server.ListAll, n}} {
			r := server.ListRequest{Limit: limit, State: c.state}
			var rows []server.Connection
			for pages := 0; ; pages++ {
				page, err := g.List(t.Context(), r)
				if err != nil || limit > 0 && len(page.Connections) > limit || page.Total != int(live) || pages > n {
					t.Fatalf("limit %d, state %d: page of %d, total %d, %v", limit, c.state, len(page.Connections), page.Total, err)
				}
				rows = append(rows, page.Connections...)
				if r.After = page.Next; page.Next == 0 {
					break
				}
			}
			if got := seqs(t, rows); uint64(len(got)) != c.want {
				t.Errorf("limit %d, state %d: rows %v; expected %d", limit, c.state, got, c.want)
			}
			for _, row := range rows {
				if row.Live() != (row.Seq%3 != 1) {
					t.Errorf("row %d is %s", row.Seq, row.State)
				}
			}
		}
	}
	for _, after := range []uint64{n, n + 1, 1 << 40, math.MaxUint64 - 256, math.MaxUint64 - 1, math.MaxUint64} {
		page, err := g.List(t.Context(), server.ListRequest{After: after, Limit: 5, State: server.ListAll})
		if err != nil || len(page.Connections) != 0 || page.Next != 0 {
			t.Errorf("behind %d: %d rows, next %d, %v", after, len(page.Connections), page.Next, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.List(ctx, server.ListRequest{Limit: 5, State: server.ListLive}); !errors.Is(err, context.Canceled) {
		t.Errorf("List with a cancelled context: %v", err)
	}
}

// ConnectedBy makes a list and a stream fit together: the list leaves out connections that the stream will report.
func TestListListedBy(t *testing.T) {
	g := start(t, server.Config{})
	g.open()
	cursor := g.Cursor()
	g.open()
	if rows := g.list(server.ListRequest{ConnectedBy: cursor.Sequence}); len(rows) != 1 || rows[0].Seq != 1 {
		t.Errorf("listed %v; expected the first connection only", seqs(t, rows))
	}
}

// While others come and go, a connection that lives throughout a walk is in it exactly once. A closed one is never
// missing on its way from the live to the remembered ones.
func TestWalkUnderChurn(t *testing.T) {
	g := start(t, server.Config{EventLogSize: 1 << 18})
	permanent := make(map[uint64]bool)
	var stop atomic.Bool
	var churning sync.WaitGroup
	addr := g.addr()
	churn := func() {
		for !stop.Load() {
			if err := reset(addr); err != nil {
				t.Error(err)
				return
			}
		}
	}
	for range 100 {
		p := g.open()
		permanent[g.get(p.id).Seq] = true
		g.open().Close()
	}
	for range 2 {
		churning.Go(churn)
	}
	for range 5 {
		for _, state := range []server.ListState{server.ListLive, server.ListAll} {
			found := 0
			rows := g.list(server.ListRequest{State: state, Limit: 70})
			for i, seq := range seqs(t, rows) {
				if permanent[seq] {
					found++
				}
				if state == server.ListAll && len(rows) < server.ClosedKept && seq != uint64(i+1) {
					t.Errorf("row %d of a walk of all is connection %d", i+1, seq)
				}
			}
			if found != len(permanent) {
				t.Errorf("a walk found %d of %d that live throughout", found, len(permanent))
			}
		}
	}
	stop.Store(true)
	churning.Wait()
}

// A walk with a filter that selects little gets pages without rows instead of a long wait, and finds all matches in the
// end.
func TestListScansOn(t *testing.T) {
	g := start(t, server.Config{EventLogSize: 1 << 17})
	closedAll(t, g, server.ScanRows+5000)
	last := g.open()
	r := server.ListRequest{Limit: 10, State: server.ListAll,
		Match: match(func(i *server.Connection) bool { return i.Live() })}
	if rows := g.list(r); len(rows) != 1 || rows[0].ID() != last.id {
		t.Errorf("found %v; expected %s", seqs(t, rows), last.id)
	}
}

// reset opens a connection and resets it, so that the kernel keeps nothing of it.
func reset(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	return errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close())
}

// closedAll opens and closes n connections.
func closedAll(t *testing.T, g *gateway, n int) {
	t.Helper()
	f := g.follow(event.Closed)
	defer f.sub.Close()
	var clients sync.WaitGroup
	addr := g.addr()
	for range 4 {
		clients.Go(func() {
			for range n / 4 {
				if err := reset(addr); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range n {
		f.awaitType(event.Closed, "")
	}
	clients.Wait()
}

// Get finds the last 10,000 closed connections, and says of an older one that it existed.
func TestGet(t *testing.T) {
	g := start(t, server.Config{EventLogSize: 1 << 16})
	first := g.open()
	if info := g.get(first.id); info.ID() != first.id || info.State != event.StateOpen || info.Origin.Node != "test" ||
		info.RemoteAddr() != first.LocalAddr().String() {
		t.Errorf("live: %+v", info)
	}
	f := g.follow(event.Closed)
	first.Close()
	f.awaitType(event.Closed, first.id)
	second := g.open()
	second.Close()
	f.awaitType(event.Closed, second.id)
	f.sub.Close()
	closedAll(t, g, server.ClosedKept-4)
	if info := g.get(first.id); info.CloseReason != event.ReasonPeerClosed || info.State != event.StateClosed {
		t.Errorf("closed, and %d closed since: %+v", server.ClosedKept-3, info)
	}
	closedAll(t, g, 4)
	if rows := g.list(server.ListRequest{State: server.ListClosed}); len(rows) != server.ClosedKept || rows[0].Seq == 1 {
		t.Errorf("%d closed connections are remembered, from %d; expected %d", len(rows), rows[0].Seq, server.ClosedKept)
	}
	incarnation := g.info().Incarnation
	for id, want := range map[string]server.Outcome{
		first.id:                            server.OutcomeClosed,
		"test." + incarnation + ".99999999": server.OutcomeNotFound,
		"test.1.1":                          server.OutcomeNodeRestarted,
		"other." + incarnation + ".1":       server.OutcomeUnknownNode,
	} {
		var missing *server.NotFoundError
		if _, err := g.Get(id); !errors.As(err, &missing) || missing.Outcome != want || missing.ID != id {
			t.Errorf("Get(%s): %v; expected %s", id, err, want)
		}
	}
	var malformed *server.MalformedIDError
	if _, err := g.Get("nonsense"); !errors.As(err, &malformed) {
		t.Errorf("Get(nonsense): %v", err)
	}
}
