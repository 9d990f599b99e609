package lane_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
)

// TestFrozen checks that an instance that is silent while it owes an answer loses its connections, and that its late
// commands have no effect. One that owes nothing may be silent.
func TestFrozen(t *testing.T) {
	g := start(t, func(*server.Config) {})
	g.table.Hasten(300*time.Millisecond, time.Hour)
	s := g.follow(event.HandlerDetached)
	got := make(chan delivery, 10)
	attach := func(name string) *lane.Lane { // a program that says nothing by itself
		l, err := g.table.Attach(lane.Hello{Handler: "test", Instance: name})
		check(t, err)
		return l
	}
	frozen := attach("frozen")
	c := g.dial()
	next := func(l *lane.Lane) (d delivery) {
		for d.Kind == 0 {
			check(t, l.Next(t.Context(), func(n *lane.Delivery) {
				if d.Kind == 0 {
					d = delivery{Delivery: *n, data: string(n.Data)}
				}
			}))
		}
		return d
	}
	opened := next(frozen)
	check(t, frozen.Do(&lane.Command{Connection: opened.Connection}))
	say(t, c, "question")
	asked := next(frozen)
	g.attach(lane.Hello{Instance: "well"}, func(p *program, d delivery) {
		echo(p, d)
		got <- d
	})
	expect(t, c, "question")
	check(t, frozen.Do(&lane.Command{Connection: opened.Connection, Data: []byte("late"), Acknowledged: asked.Position}))
	say(t, c, "more")
	expect(t, c, "more")
	events, err := s.Next(t.Context(), nil)
	check(t, err)
	d := events[0].Detail.(*event.HandlerDetail)
	if d.Instance != "frozen" || d.Connections != 1 || d.Moved != 1 || d.Held != 0 || d.Lanes != 1 ||
		!strings.Contains(d.Message, "said nothing for 300ms") || !frozen.Cause().Frozen {
		t.Errorf("%+v", d)
	}
}

// TestLanesOfOneInstance checks that an instance that is lost with all of its lanes counts as one loss, although the
// connection goes from lane to lane.
func TestLanesOfOneInstance(t *testing.T) {
	g := start(t)
	c := g.dial()
	say(t, c, "question")
	got := make(chan delivery, 100)
	var lanes []*program
	for range 5 {
		lanes = append(lanes, g.attach(lane.Hello{Instance: "many"}, func(p *program, d delivery) {
			mute(p, d)
			got <- d
		}))
	}
	for range lanes {
		for d := <-got; d.Kind != lane.Data; d = <-got {
		}
		owner := slices.IndexFunc(lanes, func(p *program) bool { return p.Connections() == 1 })
		lanes[owner].end()
	}
	attempt := make(chan uint32, 1)
	g.attach(lane.Hello{Instance: "other"}, func(p *program, d delivery) {
		if d.Kind == lane.Opened {
			attempt <- d.Attempt
		}
		echo(p, d)
	})
	expect(t, c, "question")
	if n := <-attempt; n != 1 {
		t.Errorf("attempt %d; expected 1", n)
	}
}

// TestSilence checks that an instance that owed nothing may have been silent for as long as it likes: the time in which
// it must answer begins with the question.
func TestSilence(t *testing.T) {
	g := start(t)
	g.table.Hasten(400*time.Millisecond, time.Hour)
	c := g.dial()
	l, err := g.table.Attach(lane.Hello{Handler: "test", Instance: "quiet"})
	check(t, err)
	defer l.Detach(lane.Cause{Text: "the test ends"})
	var number, position uint64
	take := func(kind lane.Kind) {
		for seen := false; !seen; {
			check(t, l.Next(t.Context(), func(d *lane.Delivery) {
				number, position, seen = d.Connection, d.Position, seen || d.Kind == kind
			}))
		}
	}
	take(lane.Opened)
	check(t, l.Do(&lane.Command{Connection: number}))
	silent := func(most time.Duration) func() bool {
		return func() bool { _, i := g.table.List(""); return len(i) == 0 || i[0].Silent > most }
	}
	await(t, "silence that is longer than an instance may owe an answer", silent(500*time.Millisecond))
	say(t, c, "question")
	take(lane.Data)
	_, instances := g.table.List("")
	await(t, "two looks at the clock", silent(instances[0].Silent+150*time.Millisecond))
	check(t, l.Do(&lane.Command{Connection: number, Data: []byte("answer"), Acknowledged: position}))
	expect(t, c, "answer")
	if cause := l.Cause(); cause != nil {
		t.Error(cause)
	}
}

// TestLateForFailed checks that a command that comes too late for a connection that has failed ends only itself.
func TestLateForFailed(t *testing.T) {
	g := start(t, limits(server.Limits{AdmitTimeout: 50 * time.Millisecond}))
	s := g.follow(event.Closed)
	got := make(chan delivery, 10)
	p := g.attach(lane.Hello{}, func(_ *program, d delivery) { got <- d })
	c := g.dial()
	say(t, c, "abc")
	<-got
	d := <-got
	expectEnd(t, c)
	if err := p.Do(&lane.Command{Connection: d.Connection, Acknowledged: 2}); err != nil {
		t.Errorf("%v; expected that it is ignored", err)
	}
	check(t, c.Close())
	if closed := g.closed(s); closed.CloseReason != event.ReasonHandlerTimeout || closed.Unacknowledged != 3 {
		t.Errorf("%s with %d bytes unacknowledged", closed.CloseReason, closed.Unacknowledged)
	}
}

// TestPlaces checks that a held connection gets the place of one that has ended, and that those behind it keep theirs.
func TestPlaces(t *testing.T) {
	g := start(t, limits(server.Limits{HoldTimeout: time.Hour}))
	var conns []net.Conn
	for i := range 4 {
		conns = append(conns, g.dial())
		await(t, "it is held", func() bool { h, _ := g.table.List(""); return h[0].Held == i+1 })
		say(t, conns[i], "%d", i)
	}
	g.attach(lane.Hello{MaxConnections: 1}, echo)
	for i, c := range conns {
		expect(t, c, fmt.Sprint(i))
		check(t, c.Close())
	}
	await(t, "all have ended", func() bool { return g.server.Live() == 0 })
	if h, _ := g.table.List(""); h[0].Held != 0 || g.server.Gateway().Totals.Held != 0 {
		t.Errorf("%+v", h)
	}
}

// TestClosedWhileHeld checks that nothing is held of connections whose peers went while nobody was attached.
func TestClosedWhileHeld(t *testing.T) {
	g := start(t)
	p := g.attach(lane.Hello{}, mute)
	for range 5 {
		c := g.dial()
		say(t, c, "abc")
	}
	await(t, "the bytes have come", func() bool { return g.server.Gateway().Totals.UnacknowledgedBytes == 15 })
	p.end()
	held := g.dial()
	say(t, held, "x")
	await(t, "all are held", func() bool { return g.server.Gateway().Totals.Held == 6 })
	_, err := g.server.Kick(t.Context(), server.KickRequest{Targets: server.All(), Flush: 10 * time.Millisecond})
	check(t, err)
	g.attach(lane.Hello{}, mute)
	await(t, "nothing is held", func() bool {
		totals := g.server.Gateway().Totals
		return totals.UnacknowledgedBytes == 0 && totals.Held == 0
	})
}

// TestStalled checks that a full window without an acknowledgement makes an event, and ends nothing.
func TestStalled(t *testing.T) {
	g := start(t)
	g.table.Hasten(time.Hour, 200*time.Millisecond)
	s := g.follow(event.HandlerStalled)
	g.attach(lane.Hello{Window: 4 << 10}, mute)
	c := g.dial()
	say(t, c, "%s", make([]byte, 8<<10))
	events, err := s.Next(t.Context(), nil)
	check(t, err)
	d := events[0].Detail.(*event.StalledDetail)
	if d.Instance != "one" || d.Unacknowledged < 4<<10 || d.Position != 0 || d.Stalled < 200*time.Millisecond ||
		events[0].Conn.Identity.Seq != 1 {
		t.Errorf("%+v", d)
	}
	if g.server.Live() != 1 {
		t.Error("the connection has ended")
	}
}

// TestBudget checks that the bytes that nobody acknowledges are bounded over all connections, and that all go on when
// there is room.
func TestBudget(t *testing.T) {
	eachEngine(t, func(t *testing.T, o option) {
		const budget, peers = 4 << 20, 256
		g := start(t, o, limits(server.Limits{HandlerBudget: budget}))
		var writing sync.WaitGroup
		var answered atomic.Int64
		for range peers {
			c := g.dial()
			writing.Go(func() { // 128 KiB each, which is more than its window
				if _, err := c.Write(make([]byte, 128<<10)); err != nil {
					t.Error(err)
				}
			})
		}
		unacknowledged := func() uint64 { return g.server.Gateway().Totals.UnacknowledgedBytes }
		await(t, "the budget is scarce", func() bool { return unacknowledged() > budget*3/4 })
		await(t, "nobody is read from", func() bool {
			page, err := g.server.List(t.Context(), server.ListRequest{Limit: peers})
			check(t, err)
			paused := 0
			for _, c := range page.Connections {
				if c.ReadPaused {
					paused++
				}
			}
			return paused == peers
		})
		if n := unacknowledged(); n > 2*budget { // without a budget it is 16 MiB; loops read on while one pauses all
			t.Errorf("%d bytes are held; the budget is %d", n, budget)
		}
		g.attach(lane.Hello{}, func(p *program, d delivery) {
			mute(p, d)
			if d.Kind == lane.Data {
				answered.Add(int64(len(d.data)))
				p.do(lane.Command{Connection: d.Connection, Acknowledged: d.Position})
			}
		})
		await(t, "all is read", func() bool { return answered.Load() == peers*128<<10 })
		writing.Wait()
		if n := unacknowledged(); n != 0 {
			t.Errorf("%d bytes are held at the end", n)
		}
	})
}

// TestSlowPeer checks that a peer that does not read ends by the send queue's bound, and that its program was told.
func TestSlowPeer(t *testing.T) {
	g := start(t, limits(server.Limits{SendQueueLimit: 256 << 10}))
	s := g.follow(event.Closed)
	var written, sent atomic.Uint64
	g.attach(lane.Hello{}, func(p *program, d delivery) {
		switch d.Kind {
		case lane.Opened, lane.Written:
			written.Store(d.Delivery.Written)
			for range 64 {
				p.do(lane.Command{Connection: d.Connection, Data: make([]byte, 64<<10)})
				sent.Add(64 << 10)
			}
		}
	})
	g.dial()
	closed := g.closed(s)
	if closed.CloseReason != event.ReasonSlowConsumer || closed.UnsentBytes == 0 {
		t.Errorf("%s: %q, %d bytes unsent", closed.CloseReason, closed.CloseText, closed.UnsentBytes)
	}
	if w := written.Load(); w > sent.Load() {
		t.Errorf("%d bytes were written of %d", w, sent.Load())
	}
}

// TestDrained checks that a program that is told to wait is told to go on, with what the kernel has taken.
func TestDrained(t *testing.T) {
	g := start(t)
	told := make(chan uint64, 10)
	const size = 8 << 20
	g.attach(lane.Hello{}, func(p *program, d delivery) {
		switch d.Kind {
		case lane.Opened:
			for sent := 0; sent < size; sent += 32 << 10 {
				if info, err := g.server.Get(d.Info.ID()); err == nil && info.QueuedBytes > 64<<10 {
					return // the rest would not fit
				}
				p.do(lane.Command{Connection: d.Connection, Data: make([]byte, 32<<10)})
			}
		case lane.Written:
			told <- d.Delivery.Written
		}
	})
	c := g.dial()
	first := <-told
	var reading sync.WaitGroup
	reading.Go(func() {
		for buffer := make([]byte, 64<<10); ; {
			if _, err := c.Read(buffer); err != nil {
				return
			}
		}
	})
	if second := <-told; second <= first {
		t.Errorf("%d bytes were written, and then %d", first, second)
	}
	check(t, c.Close())
	reading.Wait()
}

// TestIdle checks that a program gets the end of an idle timeout that it has set.
func TestIdle(t *testing.T) {
	g := start(t)
	idle := make(chan delivery, 10)
	timeout, notify := 50*time.Millisecond, true
	g.attach(lane.Hello{}, func(p *program, d delivery) {
		switch d.Kind {
		case lane.Opened:
			p.do(lane.Command{Connection: d.Connection, IdleTimeout: &timeout, NotifyIdle: &notify})
		case lane.Idle:
			idle <- d
			p.do(lane.Command{Connection: d.Connection, Data: []byte("bye"), Close: true})
		}
	})
	c := g.dial()
	<-idle
	expect(t, c, "bye")
	expectEnd(t, c)
}

// TestAge kills and drains lanes while connections come and go.
func TestAge(t *testing.T) {
	g := start(t, framed("line"))
	done := make(chan struct{})
	var clients sync.WaitGroup
	for n := range 8 {
		clients.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				c, err := net.Dial("tcp", g.addr)
				if err != nil {
					t.Error(err)
					return
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				for j := range 5 {
					say(t, c, "%d %d %d\n", n, i, j)
					expect(t, c, fmt.Sprintf("%d %d %d\n", n, i, j))
				}
				_ = c.Close()
			}
		})
	}
	lines := func(p *program, d delivery) {
		if d.Kind == lane.Data {
			d.data += "\n"
		}
		echo(p, d)
	}
	last := g.attach(lane.Hello{Instance: "0"}, lines)
	for i := range 20 {
		next := g.attach(lane.Hello{Instance: fmt.Sprint(i + 1)}, lines)
		last.Drain(0)
		await(t, "the lane has ended", func() bool { return last.Cause() != nil })
		last.end()
		last = next
	}
	close(done)
	clients.Wait()
	handlers, _ := g.table.List("")
	if h := handlers[0]; h.Failed != 0 || h.Held != 0 {
		t.Errorf("%+v", h)
	}
}
