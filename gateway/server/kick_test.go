package server_test

import (
	"io"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// A kick by IDs has one outcome for each ID, in order.
func TestKickByID(t *testing.T) {
	g := start(t, server.Config{})
	f := g.follow(event.Control, event.Closed)
	a, b, gone := g.open(), g.open(), g.open()
	gone.Close()
	f.awaitType(event.Closed, gone.id)
	ids := []string{b.id, "nonsense", a.id, gone.id, b.id, "test.1.1", "other.1.1", strings.TrimSuffix(a.id, "1") + "99"}
	outcomes := func(o ...server.Outcome) (all []server.TargetOutcome) {
		for i := range o {
			all = append(all, server.TargetOutcome{ID: ids[i], Outcome: o[i]})
		}
		return all
	}
	dry, err := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(ids...), DryRun: true, Flush: time.Second})
	want := server.KickResult{Matched: 8, Kicked: 3, Closed: 1, NotFound: 4,
		Outcomes: outcomes(server.OutcomeWouldKick, server.OutcomeMalformedID, server.OutcomeWouldKick, server.OutcomeClosed,
			server.OutcomeWouldKick, server.OutcomeNodeRestarted, server.OutcomeUnknownNode, server.OutcomeNotFound)}
	if err != nil || !reflect.DeepEqual(dry, want) {
		t.Errorf("dry run: %+v, %v; expected %+v", dry, err, want)
	}
	var clients sync.WaitGroup
	for _, p := range []peer{a, b} {
		clients.Go(func() {
			mustRead(t, p, "bye")
			mustEnd(t, p)
			p.Close()
		})
	}
	kick, err := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(ids...), Reason: "maintenance",
		Farewell: []byte("bye"), Actor: event.Actor{Identity: "alice"}, Flush: safety})
	clients.Wait()
	want.Kicked, want.Closed = 2, 2
	want.Outcomes = outcomes(server.OutcomeKicked, server.OutcomeMalformedID, server.OutcomeKicked, server.OutcomeClosed,
		server.OutcomeClosed, server.OutcomeNodeRestarted, server.OutcomeUnknownNode, server.OutcomeNotFound)
	if err != nil || !reflect.DeepEqual(kick, want) {
		t.Errorf("Kick: %+v, %v; expected %+v", kick, err, want)
	}
	for range 2 {
		closed := f.awaitType(event.Closed, "").Conn
		if closed.CloseReason != event.ReasonKicked || closed.CloseText != "maintenance" || closed.ClosedBy != "alice" {
			t.Errorf("%s closed with %s, %q, by %q", closed.ID(), closed.CloseReason, closed.CloseText, closed.ClosedBy)
		}
	}
	d := f.awaitType(event.Control, "").Detail.(*event.ControlDetail) // follows the CLOSED of all; the dry run has none
	if d.Verb != "Kick" || d.Matched != 8 || d.Reason != "maintenance" ||
		!reflect.DeepEqual(d.Outcomes, map[string]uint64{"KICKED": 2, "CLOSED": 2, "MALFORMED_ID": 1, "NODE_RESTARTED": 1,
			"UNKNOWN_NODE": 1, "NOT_FOUND": 1}) {
		t.Errorf("recorded as %+v", d)
	}
}

// A kick by filter counts all its targets, and names only those that were not cleanly kicked.
func TestKickByMatch(t *testing.T) {
	g := start(t, server.Config{Limits: server.Limits{SendQueueLimit: 8 << 20}})
	const n = 130
	var peers []peer
	for range n {
		peers = append(peers, g.open())
	}
	odd := match(func(i *server.Connection) bool { return i.Seq%2 == 1 })
	dry, err := g.Kick(t.Context(), server.KickRequest{Targets: server.Where(match(everything)), DryRun: true,
		Flush: time.Second})
	if err != nil || dry.Matched != n || dry.Kicked != n || len(dry.Outcomes) != 100 ||
		dry.Outcomes[0].Outcome != server.OutcomeWouldKick {
		t.Errorf("dry run: %d matched, %d would be kicked, %d named, %v", dry.Matched, dry.Kicked, len(dry.Outcomes), err)
	}
	g.stuff(peers[0].id)
	f := g.follow(event.Closed)
	kick, err := g.Kick(t.Context(), server.KickRequest{Targets: server.Where(odd), Farewell: []byte("bye"),
		Flush: 50 * time.Millisecond})
	if err != nil || kick.Matched != n/2 || kick.Kicked != n/2 || kick.Closed != 0 || len(kick.Outcomes) != 1 {
		t.Fatalf("Kick: %+v, %v; expected %d kicked, and the one that never reads named", kick, err, n/2)
	}
	stuck := kick.Outcomes[0]
	closed := f.awaitType(event.Closed, peers[0].id).Conn
	if stuck.ID != peers[0].id || stuck.Outcome != server.OutcomeKickedUnflushed || stuck.Unsent != closed.UnsentBytes ||
		stuck.Unsent < 3 {
		t.Errorf("named %+v; CLOSED has %d unsent", stuck, closed.UnsentBytes)
	}
	if left := g.list(server.ListRequest{}); len(left) != n/2 {
		t.Errorf("%d are left; expected %d", len(left), n/2)
	}
}

// A farewell reaches a peer that keeps sending. The gateway reads and discards its bytes, so that no RST overtakes the
// farewell.
func TestFarewellToBusyPeer(t *testing.T) {
	g := start(t, server.Config{Handler: &hooks{}})
	f := g.follow(event.Closed)
	p := g.open()
	var writing sync.WaitGroup
	writing.Go(func() {
		for buffer := make([]byte, 64<<10); ; {
			if _, err := p.Write(buffer); err != nil {
				return
			}
		}
	})
	for g.get(p.id).BytesReceived == 0 {
	}
	var kick server.KickResult
	var kicking sync.WaitGroup
	kicking.Go(func() {
		kick, _ = g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(p.id), Farewell: []byte("farewell"),
			Flush: safety})
	})
	got, err := io.ReadAll(p)
	if err != nil || string(got) != "farewell" {
		t.Errorf("the peer read %q, %v; expected the farewell and the end", got, err)
	}
	for info := g.get(p.id); info.Live() && info.DiscardedBytes == 0; info = g.get(p.id) {
	}
	p.Close()
	writing.Wait()
	kicking.Wait()
	closed := f.awaitType(event.Closed, p.id).Conn
	if kick.Outcomes[0].Outcome != server.OutcomeKicked || closed.CloseReason != event.ReasonKicked ||
		closed.DiscardedBytes == 0 {
		t.Errorf("%+v, closed with %s, %d discarded", kick, closed.CloseReason, closed.DiscardedBytes)
	}
}

// A Kick ends with its flush timeout or its caller's deadline, even during a call of the handler.
func TestKickDuringHandlerCall(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	g := start(t, server.Config{Handler: &hooks{data: func(c *server.Conn, p []byte) {
		close(inside)
		<-leave
		if _, err := c.Send(p); err != nil { // answers bytes from before the kick
			t.Errorf("Send: %v", err)
		}
	}}})
	p := g.open()
	mustWrite(t, p, []byte("question"))
	<-inside
	var kick server.KickResult
	var kicking sync.WaitGroup
	kicking.Go(func() {
		kick, _ = g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(p.id), Farewell: []byte(" bye"), Flush: safety})
	})
	for g.get(p.id).State != event.StateClosing {
	}
	if r := g.send(p.id, []byte("too late"), 0); r.Outcome != server.OutcomeClosed {
		t.Errorf("Send to a connection that is being kicked: %s", r.Outcome)
	}
	close(leave)
	mustRead(t, p, "question bye")
	mustEnd(t, p)
	p.Close()
	kicking.Wait()
	if kick.Outcomes[0].Outcome != server.OutcomeKicked {
		t.Errorf("%+v", kick)
	}
}
