package server_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/sockgate/sockgate/gateway/server"
)

// many stands for a million. It is hundreds of the registry's chunks, and several scans of a List.
const many = 50_000

// churners makes connections come and go, four at a time, until stop. It returns when each of the four has done so
// once.
func churners(s *server.Server) (stop func()) {
	var over atomic.Bool
	var running, begun sync.WaitGroup
	begun.Add(4)
	for range 4 {
		running.Go(func() {
			server.CloseInert(s.AddInert(remoteOf(1), nil))
			begun.Done()
			var mine []*server.Conn
			for !over.Load() {
				mine = append(mine, s.AddInert(remoteOf(2), nil))
				if len(mine) == 300 {
					for i, c := range mine {
						if i%100 > 0 {
							server.CloseInert(c)
						}
					}
					mine = mine[:0]
				}
			}
		})
	}
	begun.Wait()
	return func() {
		over.Store(true)
		running.Wait()
	}
}

// While four others come and go, a connection that lives throughout a walk is in it exactly once, and in every count.
func TestManyUnderChurn(t *testing.T) {
	s := newCrowd(many)
	defer churners(s)()
	even := match(func(i *server.Connection) bool { return i.Seq%2 == 0 })
	for _, r := range []server.ListRequest{
		{State: server.ListLive, Limit: 1000}, {State: server.ListAll, Limit: 777},
		{State: server.ListLive, Limit: 1000, Match: even},
	} {
		seen := make([]int, many+1)
		for {
			page, err := s.List(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			for i := range page.Connections {
				if seq := page.Connections[i].Seq; seq <= many {
					seen[seq]++
				}
			}
			if r.After, r.UpTo = page.Next, page.UpTo; page.Next == 0 {
				break
			}
		}
		for seq := 1; seq <= many; seq++ {
			if want := 1; seen[seq] != want && (r.Match == nil || seq%2 == 0) {
				t.Fatalf("connection %d is in a walk %d times", seq, seen[seq])
			}
		}
	}
	permanent := match(func(i *server.Connection) bool { return i.Seq <= many })
	for _, state := range []server.ListState{server.ListLive, server.ListAll} {
		if got, err := s.Count(t.Context(), server.CountRequest{State: state, Match: permanent}); err != nil ||
			got.Count != many {
			t.Errorf("counted %d of %d, %v", got.Count, many, err)
		}
	}
}

// While a Matcher examines a connection, others come, are found, are labelled and go: no lock that they need is held.
func TestMatcherHoldsUpNobody(t *testing.T) {
	s := newCrowd(2000)
	entered, leave := make(chan bool), make(chan bool)
	var once sync.Once
	blocking := match(func(*server.Connection) bool {
		once.Do(func() {
			entered <- true
			<-leave
		})
		return false
	})
	for name, verb := range map[string]func() error{
		"List": func() error {
			_, err := s.List(context.Background(), server.ListRequest{Limit: 10, State: server.ListAll, Match: blocking})
			return err
		},
		"Count": func() error {
			_, err := s.Count(context.Background(), server.CountRequest{State: server.ListAll, Match: blocking})
			return err
		},
		"Kick": func() error {
			_, err := s.Kick(context.Background(), server.KickRequest{Targets: server.Where(blocking)})
			return err
		},
		"SetLabels": func() error {
			_, err := s.SetLabels(server.LabelRequest{Targets: server.Where(blocking)})
			return err
		},
		"Broadcast": func() error {
			_, err := s.Broadcast(context.Background(), server.BroadcastRequest{Match: blocking})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			once = sync.Once{}
			done := make(chan error)
			go func() { done <- verb() }()
			<-entered
			var came []*server.Conn
			for range 1000 {
				came = append(came, s.AddInert(remoteOf(0), nil))
			}
			for _, c := range came {
				if err := c.SetLabel("room", "7"); err != nil {
					t.Error(err)
				}
				if _, err := s.Get(c.ID()); err != nil {
					t.Error(err)
				}
				server.CloseInert(c)
			}
			first, err := s.List(t.Context(), server.ListRequest{Limit: 1, State: server.ListLive})
			if err != nil || len(first.Connections) != 1 {
				t.Errorf("another List: %v, %v", first, err)
			}
			leave <- true
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// A page examines its own rows and no others, wherever it begins: among the live, the closed, or both.
func TestPagesStartAtTheirCursor(t *testing.T) {
	crowd, conns := crowdOf(many)
	for i, c := range conns {
		if i%8 == 0 { // all of these are remembered
			server.CloseInert(c)
		}
	}
	for _, state := range []server.ListState{server.ListLive, server.ListClosed, server.ListAll} {
		for _, after := range []uint64{0, 1, many / 3, many / 2, many - 2000, many - 1} {
			looked := 0
			r := server.ListRequest{After: after, Limit: 100, State: state, Match: match(func(i *server.Connection) bool {
				if looked++; i.Seq <= after {
					t.Errorf("state %d: a page behind %d looks at connection %d", state, after, i.Seq)
				}
				return true
			})}
			page, err := crowd.List(t.Context(), r)
			if err != nil || len(page.Connections) != looked || looked > 100 {
				t.Errorf("state %d: a page behind %d has %d rows and looked at %d, %v", state, after, len(page.Connections), looked,
					err)
			}
		}
	}
}

// A List whose filter selects nothing returns after a bounded number of connections, and says where to go on.
func TestListLooksAtABoundedNumber(t *testing.T) {
	looked := 0
	page, err := newCrowd(many).List(t.Context(), server.ListRequest{Limit: 1, State: server.ListLive,
		Match: match(func(*server.Connection) bool {
			looked++
			return false
		})})
	if err != nil || looked < server.ScanRows || looked > server.ScanRows+1000 || page.Next != uint64(looked) {
		t.Errorf("looked at %d, next %d, %v; expected about %d", looked, page.Next, err, server.ScanRows)
	}
}

// A scan of closed connections examines no live one.
func TestClosedPagesPassTheLiveBy(t *testing.T) {
	crowd, conns := crowdOf(many)
	for _, i := range []int{0, many / 2, many - 1} {
		server.CloseInert(conns[i])
	}
	looked := 0
	page, err := crowd.List(t.Context(), server.ListRequest{Limit: 100, State: server.ListClosed,
		Match: match(func(*server.Connection) bool {
			looked++
			return true
		})})
	if err != nil || looked != 3 || page.Next != 0 ||
		fmt.Sprint(seqs(t, page.Connections)) != fmt.Sprint([]uint64{1, many/2 + 1, many}) {
		t.Errorf("rows %v, next %d, looked at %d, %v", seqs(t, page.Connections), page.Next, looked, err)
	}
}

// A filter over many connections does not allocate for each.
func TestScanDoesNotAllocateForEachRow(t *testing.T) {
	s := newCrowd(many)
	none := match(func(*server.Connection) bool { return false })
	for name, verb := range map[string]func(){
		"Count": func() { _, _ = s.Count(t.Context(), server.CountRequest{State: server.ListLive, Match: none}) },
		"List": func() {
			_, _ = s.List(t.Context(), server.ListRequest{Limit: 1000, State: server.ListLive, Match: none})
		},
		"Kick":      func() { _, _ = s.Kick(t.Context(), server.KickRequest{Targets: server.Where(none)}) },
		"Broadcast": func() { _, _ = s.Broadcast(t.Context(), server.BroadcastRequest{Match: none}) },
	} {
		if n := testing.AllocsPerRun(3, verb); n > many/2 { // the race detector loses some pooled memory
			t.Errorf("%s of %d connections allocates %.0f times", name, many, n)
		}
	}
}

// A count agrees with a walk, for any state, and its groups add up.
func TestCount(t *testing.T) {
	crowd, conns := crowdOf(4000)
	for i, c := range conns {
		if i%2 == 1 {
			server.CloseInert(c)
		}
	}
	for _, c := range []struct {
		state server.ListState
		want  uint64
	}{{server.ListLive, 2000}, {server.ListClosed, 2000}, {server.ListAll, 4000}} {
		for _, m := range []server.Matcher{nil, match(everything)} {
			got, err := crowd.Count(t.Context(), server.CountRequest{State: c.state, Match: m})
			if err != nil || got.Count != c.want || got.Total != 2000 || got.Groups != nil || got.Other != 0 {
				t.Errorf("state %d: %+v, %v; expected %d", c.state, got, err, c.want)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := crowd.Count(ctx, server.CountRequest{State: server.ListAll}); !errors.Is(err, context.Canceled) {
		t.Errorf("Count with a cancelled context: %v", err)
	}
}

// Count returns the largest groups, and counts the connections that are in none.
func TestCountGroups(t *testing.T) {
	s := newCrowd(0)
	for i := range server.MaxGroups + 10 {
		labels := map[string]string{"room": fmt.Sprintf("%04d", i)}
		for range 1 + min(i, 2) { // the first room has one, the second two, each other one three
			s.AddInert(remoteOf(i), labels)
		}
	}
	by, err := server.ParseGroupBy("labels.room")
	if err != nil || by.String() != "labels.room" {
		t.Fatal(by, err)
	}
	got, err := s.Count(t.Context(), server.CountRequest{State: server.ListLive, By: by})
	if err != nil || len(got.Groups) != server.MaxGroups || got.Groups[0] != (server.Group{Value: "0002", Count: 3}) ||
		got.Groups[server.MaxGroups-1] != (server.Group{Value: "1001", Count: 3}) || got.Other != 1+2+8*3 ||
		got.Count != 3*(server.MaxGroups+10)-3 {
		t.Errorf("%d groups from %v to %v, %d others, %d in all, %v", len(got.Groups), got.Groups[0],
			got.Groups[len(got.Groups)-1], got.Other, got.Count, err)
	}
	for _, bad := range []string{"", "room", "labels", "labels.", "labels.Room", "State", "id"} {
		if _, err := server.ParseGroupBy(bad); err == nil {
			t.Errorf("%q can be grouped by", bad)
		}
	}
}
