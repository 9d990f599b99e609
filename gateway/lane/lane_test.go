package lane_test

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
)

func TestEcho(t *testing.T) {
	eachEngine(t, func(t *testing.T, o option) {
		g := start(t, o)
		g.attach(lane.Hello{}, echo)
		c := g.dial()
		for i := range 100 {
			say(t, c, "message %d", i)
			expect(t, c, fmt.Sprintf("message %d", i))
		}
		check(t, c.CloseWrite())
		expectEnd(t, c)
	})
}

// TestBulk sends 16 MiB both ways, with a half-close.
func TestBulk(t *testing.T) {
	eachEngine(t, func(t *testing.T, o option) {
		g := start(t, o)
		g.attach(lane.Hello{}, echo)
		c := g.dial()
		const size = 16 << 20
		sent := make([]byte, size)
		for i := range sent {
			sent[i] = byte(i * 7 >> 3)
		}
		var writing sync.WaitGroup
		writing.Go(func() {
			_, err := c.Write(sent)
			if err == nil {
				err = c.CloseWrite()
			}
			if err != nil {
				t.Error(err)
			}
		})
		got, err := io.ReadAll(c)
		check(t, err)
		writing.Wait()
		if string(got) != string(sent) {
			t.Errorf("%d bytes came back, not the %d that were sent", len(got), size)
		}
	})
}

// TestFrames checks that a program gets frames, at positions that include what framing takes away.
func TestFrames(t *testing.T) {
	eachEngine(t, func(t *testing.T, o option) {
		g := start(t, o, framed("line"))
		got := make(chan delivery, 10)
		g.attach(lane.Hello{}, func(p *program, d delivery) {
			mute(p, d)
			got <- d
		})
		c := g.dial()
		say(t, c, "one\r\ntw")
		say(t, c, "o\n\nhalf")
		for _, want := range []delivery{{Delivery: lane.Delivery{Kind: lane.Opened}},
			{Delivery: lane.Delivery{Kind: lane.Data, Position: 5}, data: "one"},
			{Delivery: lane.Delivery{Kind: lane.Data, Position: 9}, data: "two"},
			{Delivery: lane.Delivery{Kind: lane.Data, Position: 10}, data: ""}} {
			d := <-got
			if d.Kind != want.Kind || d.Position != want.Position || d.data != want.data {
				t.Errorf("%+v; expected %+v", d, want)
			}
		}
	})
}

// TestReplay checks that bytes that were not acknowledged come again to another instance, with the state and the
// labels.
func TestReplay(t *testing.T) {
	g := start(t)
	first := make(chan delivery, 10)
	one := g.attach(lane.Hello{Instance: "one"}, func(p *program, d delivery) {
		mute(p, d)
		if d.Kind == lane.Data {
			p.do(lane.Command{Connection: d.Connection, Acknowledged: d.Position - 2, Data: []byte("half"),
				State: []byte("remember"), SetLabels: map[string]string{"room": "7"}})
			first <- d
		}
	})
	c := g.dial()
	say(t, c, "abcdef")
	<-first
	expect(t, c, "half")
	second := make(chan delivery, 10)
	g.attach(lane.Hello{Instance: "two"}, func(p *program, d delivery) {
		echo(p, d)
		second <- d
	})
	one.end()
	opened := <-second
	if opened.Kind != lane.Opened || !opened.Resumed || string(opened.State) != "remember" || opened.Position != 4 ||
		opened.Sent != 4 || opened.Attempt != 1 || opened.Info.Labels["room"] != "7" {
		t.Errorf("%+v", opened.Delivery)
	}
	if d := <-second; d.Kind != lane.Data || d.data != "ef" || d.Position != 6 {
		t.Errorf("%+v", d)
	}
	expect(t, c, "ef")
}

// TestKills sends numbered messages on many connections while instances are lost again and again: each message is
// answered once, in order.
func TestKills(t *testing.T) {
	eachEngine(t, func(t *testing.T, o option) {
		g := start(t, o, framed("line"))
		const connections, messages = 50, 200
		var answered atomic.Int64
		answer := func(p *program, d delivery) {
			mute(p, d)
			if d.Kind == lane.Data {
				p.do(lane.Command{Connection: d.Connection, Data: []byte("re " + d.data + "\n"), Acknowledged: d.Position})
				answered.Add(1)
			}
		}
		var clients sync.WaitGroup
		var left atomic.Int64
		left.Store(connections)
		for range connections {
			c := g.dial()
			clients.Go(func() {
				defer left.Add(-1)
				for i := range messages {
					say(t, c, "%d\n", i)
					expect(t, c, fmt.Sprintf("re %d\n", i))
				}
			})
		}
		programs := []*program{g.attach(lane.Hello{Instance: "a"}, answer), g.attach(lane.Hello{Instance: "b"}, answer)}
		for i := 0; left.Load() > 0; i++ { // a message that is lost three times would be taken for poison
			next := answered.Load() + 2*connections
			await(t, "answers", func() bool { return answered.Load() >= next || left.Load() == 0 })
			programs[i%2].end()
			programs[i%2] = g.attach(lane.Hello{Instance: string(rune('a' + i%26))}, answer)
		}
		clients.Wait()
		_, instances := g.table.List("test")
		if n := instances[0].Unacknowledged; n != 0 {
			t.Errorf("%d bytes are not acknowledged", n)
		}
	})
}

// TestHold checks that a connection waits for an instance, and gets its bytes to it.
func TestHold(t *testing.T) {
	g := start(t)
	c := g.dial()
	say(t, c, "early")
	await(t, "the bytes are held", func() bool {
		handlers, _ := g.table.List("")
		return handlers[0].Held == 1 && g.server.Gateway().Totals.UnacknowledgedBytes == 5
	})
	g.attach(lane.Hello{}, echo)
	expect(t, c, "early")
}

// TestHoldEnds checks the end of the hold, its bound, and no hold.
func TestHoldEnds(t *testing.T) {
	for _, c := range []struct {
		limits server.Limits
		text   string
	}{
		{server.Limits{HoldTimeout: 50 * time.Millisecond}, "no instance of remote:test was attached for 50ms"},
		{server.Limits{HoldTimeout: server.NoHold}, "no instance of remote:test is attached"},
		{server.Limits{MaxHeld: 1}, "and 1 connections wait already"},
	} {
		g := start(t, limits(c.limits))
		s := g.follow(event.Closed)
		first := g.dial()
		if c.limits.MaxHeld == 1 {
			await(t, "the first waits", func() bool { h, _ := g.table.List(""); return h[0].Held == 1 })
			first = g.dial()
		}
		expectEnd(t, first)
		if closed := g.closed(s); closed.CloseReason != event.ReasonHandlerUnavailable ||
			!strings.Contains(closed.CloseText, c.text) {
			t.Errorf("%s: %q; expected %q", closed.CloseReason, closed.CloseText, c.text)
		}
	}
}

// TestAdmission checks that a connection without a first command is closed.
func TestAdmission(t *testing.T) {
	g := start(t, limits(server.Limits{AdmitTimeout: 50 * time.Millisecond}))
	s := g.follow(event.Closed)
	g.attach(lane.Hello{}, func(*program, delivery) {})
	expectEnd(t, g.dial())
	if closed := g.closed(s); closed.CloseReason != event.ReasonHandlerTimeout {
		t.Errorf("%s: %q", closed.CloseReason, closed.CloseText)
	}
}

// TestWindow checks that reading stops at the window, and goes on when the program acknowledges.
func TestWindow(t *testing.T) {
	eachEngine(t, func(t *testing.T, o option) {
		g := start(t, o)
		var number, position atomic.Uint64
		p := g.attach(lane.Hello{Window: 16 << 10}, func(p *program, d delivery) {
			mute(p, d)
			number.Store(d.Connection)
			position.Store(d.Position)
		})
		c := g.dial()
		var writing sync.WaitGroup
		writing.Go(func() { _, _ = c.Write(make([]byte, 64<<20)) }) // ends with the test
		defer writing.Wait()
		defer func() { _ = c.Close() }()
		before := uint64(0)
		for range 5 {
			await(t, "the window is full", func() bool {
				rows, err := g.server.Get(fmt.Sprintf("test.%s.1", g.server.Gateway().Incarnation))
				return err == nil && rows.ReadPaused && position.Load() > before && position.Load() == rows.BytesReceived
			})
			now := position.Load()
			if ahead := now - before; ahead > 16<<10+64<<10 {
				t.Fatalf("%d bytes are not acknowledged; expected at most the window and one read", ahead)
			}
			before = now
			p.do(lane.Command{Connection: number.Load(), Acknowledged: now})
		}
	})
}

// TestPoison checks that a message that ends every instance costs only its own connection.
func TestPoison(t *testing.T) {
	g := start(t, framed("line"))
	s := g.follow(event.Closed)
	var dead atomic.Bool
	serve := func(p *program, d delivery) {
		switch {
		case dead.Load():
		case d.Kind == lane.Opened:
			p.do(lane.Command{Connection: d.Connection})
		case d.Kind == lane.Data && d.data == "poison":
			dead.Store(true) // it acknowledges nothing any more
		case d.Kind == lane.Data && d.data != "slow":
			p.do(lane.Command{Connection: d.Connection, Data: []byte(d.data + "\n"), Acknowledged: d.Position})
		}
	}
	innocent := g.dial()
	say(t, innocent, "hello\n")
	p := g.attach(lane.Hello{}, serve)
	expect(t, innocent, "hello\n")
	culprit := g.dial()
	say(t, culprit, "fine\n")
	expect(t, culprit, "fine\n")
	say(t, culprit, "poison\n")
	losses := 0
	var rest sync.WaitGroup
	rest.Go(func() {
		say(t, innocent, "again\n")
		expect(t, innocent, "again\n")
	})
	for g.server.Live() == 2 {
		await(t, "the program is dead, or the culprit closed", func() bool { return dead.Load() || g.server.Live() == 1 })
		if g.server.Live() == 1 {
			break
		}
		losses++
		p.end()
		dead.Store(false)
		p = g.attach(lane.Hello{}, serve)
	}
	rest.Wait()
	closed := g.closed(s)
	if closed.CloseReason != event.ReasonHandlerFailed || !strings.Contains(closed.CloseText, "position 5") ||
		losses != 3 {
		t.Errorf("%s, %q after %d losses", closed.CloseReason, closed.CloseText, losses)
	}
}

// TestDrain checks that the connections of a draining lane move, without a byte twice.
func TestDrain(t *testing.T) {
	g := start(t, framed("line"))
	answer := func(name string) func(p *program, d delivery) {
		return func(p *program, d delivery) {
			if d.Kind == lane.Data {
				p.do(lane.Command{Connection: d.Connection, Data: []byte(name + d.data + "\n"), Acknowledged: d.Position})
				return
			}
			mute(p, d)
		}
	}
	one := g.attach(lane.Hello{Instance: "one"}, answer("1"))
	c := g.dial()
	say(t, c, "a\n")
	expect(t, c, "1a\n")
	g.attach(lane.Hello{Instance: "two"}, answer("2"))
	lanes, others, connections := g.table.DrainInstance("test", "one", time.Minute)
	if lanes != 1 || others != 1 || connections != 1 {
		t.Errorf("%d lanes with %d connections, %d other lanes", lanes, connections, others)
	}
	await(t, "the lane has ended", func() bool { return one.Cause() != nil })
	if !one.Cause().Drained {
		t.Errorf("%+v", one.Cause())
	}
	say(t, c, "b\n")
	expect(t, c, "2b\n")
}

// TestMoveTo checks that a program gives a connection to an instance, and that a late command of the old lane is none
// of the connection when it has come back.
func TestMoveTo(t *testing.T) {
	g := start(t)
	type seen struct {
		name string
		delivery
	}
	got := make(chan seen, 20)
	attach := func(name string) *program {
		return g.attach(lane.Hello{Instance: name}, func(p *program, d delivery) { got <- seen{name, d} })
	}
	one, two := attach("one"), attach("two")
	programs := map[string]*program{"one": one, "two": two}
	c := g.dial()
	first := <-got
	from, to := programs[first.name], "two"
	if first.name == "two" {
		to = "one"
	}
	from.do(lane.Command{Connection: first.Connection, MoveTo: "nobody"})
	from.do(lane.Command{Connection: first.Connection, MoveTo: to})
	second := <-got
	if second.Kind == lane.Moved {
		second = <-got
	} else if m := <-got; m.Kind != lane.Moved || m.name != first.name || m.Connection != first.Connection {
		t.Errorf("%+v", m)
	}
	if second.Kind != lane.Opened || second.name != to {
		t.Fatalf("%+v", second)
	}
	programs[to].do(lane.Command{Connection: second.Connection, MoveTo: first.name})
	var third seen
	for third = <-got; third.Kind != lane.Opened; third = <-got {
	}
	if third.name != first.name || third.Connection == first.Connection {
		t.Fatalf("%+v", third)
	}
	from.do(lane.Command{Connection: first.Connection, Data: []byte("late")})
	from.do(lane.Command{Connection: third.Connection, Data: []byte("now")})
	expect(t, c, "now")
	if handlers, _ := g.table.List(""); handlers[0].Ignored != 1 {
		t.Errorf("%d commands were ignored", handlers[0].Ignored)
	}
}

// TestWrongCommands checks that a command that acknowledges what it may not has an error and no effect.
func TestWrongCommands(t *testing.T) {
	g := start(t)
	got := make(chan delivery, 10)
	p := g.attach(lane.Hello{}, func(p *program, d delivery) {
		mute(p, d)
		got <- d
	})
	c := g.dial()
	say(t, c, "abc")
	<-got
	d := <-got
	for text, command := range map[string]lane.Command{
		"acknowledges position 4, and only 3 was delivered": {Acknowledged: 4},
		"its state has 4097 bytes; at most 4096":            {State: make([]byte, 4097)},
		"label":                                             {SetLabels: map[string]string{"A B": ""}},
	} {
		command.Connection, command.Data = d.Connection, []byte("no")
		if err := p.Do(&command); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v; expected %s", err, text)
		}
	}
	p.do(lane.Command{Connection: d.Connection, Acknowledged: 3, Data: []byte("yes")})
	if err := p.Do(&lane.Command{Connection: d.Connection, Acknowledged: 2}); err == nil {
		t.Error("no error for an acknowledgement that goes back")
	}
	p.do(lane.Command{Connection: 99, Data: []byte("no")})
	p.do(lane.Command{Connection: 1 << 63, Data: []byte("no")})
	p.do(lane.Command{Connection: d.Connection, Close: true, Text: "bye"})
	expect(t, c, "yes")
	expectEnd(t, c)
}

// TestLateAnswer checks that an answer that comes after a kick began is sent.
func TestLateAnswer(t *testing.T) {
	g := start(t)
	s := g.follow(event.Closed)
	got := make(chan delivery, 10)
	p := g.attach(lane.Hello{}, func(p *program, d delivery) {
		mute(p, d)
		got <- d
	})
	c := g.dial()
	say(t, c, "question")
	<-got
	d := <-got
	kicked := make(chan server.KickResult)
	go func() {
		r, err := g.server.Kick(t.Context(), server.KickRequest{Targets: server.All(), Flush: 10 * time.Second})
		if err != nil {
			t.Error(err)
		}
		kicked <- r
	}()
	await(t, "the connection is closing", func() bool {
		rows, err := g.server.Get(fmt.Sprintf("test.%s.1", g.server.Gateway().Incarnation))
		check(t, err)
		return rows.State == event.StateClosing
	})
	p.do(lane.Command{Connection: d.Connection, Data: []byte("answer"), Acknowledged: d.Position})
	expect(t, c, "answer")
	expectEnd(t, c)
	check(t, c.Close())
	if r := <-kicked; r.Kicked != 1 {
		t.Errorf("%+v", r)
	}
	if closed := g.closed(s); closed.CloseReason != event.ReasonKicked || closed.Unacknowledged != 0 {
		t.Errorf("%+v", closed)
	}
	for d := range got {
		if d.Kind == lane.Closed {
			break
		}
	}
}
