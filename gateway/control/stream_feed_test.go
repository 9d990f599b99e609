package control

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/control/internal/feed"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestFeedIsShared checks that a hundred equal streams all get every event, and that each batch was encoded once for
// all of them.
func TestFeedIsShared(t *testing.T) {
	l := event.NewLog(feedOrigin, 65536)
	s := newService(logGateway{log: l}, 0)
	callers := make([]*caller, 100)
	for i := range callers {
		callers[i] = call(t, s, &pb.StreamEventsRequest{}).begin()
	}
	following(t, s, len(callers))
	last := publish(l, 2000)
	encodings := make(map[*byte]int)
	var mu sync.Mutex
	var receiving sync.WaitGroup
	for _, c := range callers {
		c.next = 1
		receiving.Go(func() {
			for c.next <= last {
				d, ok := c.receive()
				if !ok {
					t.Error("ended")
					return
				}
				c.account(d)
				mu.Lock()
				encodings[d.bytes]++
				mu.Unlock()
			}
		})
	}
	receiving.Wait()
	for _, n := range encodings {
		if n%len(callers) != 0 { // a buffer may be used again for another batch
			t.Errorf("an encoding went to %d streams of %d", n, len(callers))
		}
	}
	if n := l.Streams(); n != len(callers) {
		t.Errorf("%d streams are counted", n)
	}
	for _, c := range callers {
		c.end()
	}
	expectNothingOpen(t, s)
}

// TestFeedIsJoined checks that a stream gets to follow a feed although an event is published after each of its
// responses.
func TestFeedIsJoined(t *testing.T) {
	l := event.NewLog(feedOrigin, 65536)
	s := newService(logGateway{log: l}, 0)
	c := callSending(t, s, &pb.StreamEventsRequest{}, func() { publish(l, 1) }).begin()
	for joined := false; !joined; {
		if _, ok := c.receive(); !ok {
			t.Fatal("ended")
		}
		joined = len(s.feeds.Usage().Batches) == 1
	}
}

// TestFeedIsAhead checks that a stream loses nothing if it joins a feed that is ahead of it and has already dropped
// events that the stream has not got.
func TestFeedIsAhead(t *testing.T) {
	l := event.NewLog(feedOrigin, 65536)
	s := newService(logGateway{log: l}, 0)
	fast := call(t, s, &pb.StreamEventsRequest{}).begin()
	fast.next = 1
	following(t, s, 1)
	sub, err := l.Subscribe(event.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	fast.reach(publish(l, 10))

	late := &caller{t: t, ctx: fast.ctx, sent: make(chan delivery), returned: make(chan error, 1), next: 1}
	e := &eventStream{ctx: t.Context(), server: late, feeds: &s.feeds, sub: sub,
		encoder: feed.BatchEncoder{Events: wire.NewEventEncoder(feedOrigin), Pool: &s.feeds.Buffers}}
	feed := s.feeds.Enter(e.selection, sub, e.encoder.Events, nil)
	go func() {
		late.returned <- e.share(feed)
		s.feeds.Leave(e.selection, feed)
	}()
	late.reach(10)
	following(t, s, 2)
	last := publish(l, 1)
	fast.reach(last)
	late.reach(last)
	fast.hangUp()
	<-late.returned
}

// TestStoppedStream checks that a stream that stopped reading later gets every event or the exact gap. The other
// streams go on meanwhile, and it shares their batches again.
func TestStoppedStream(t *testing.T) {
	for _, c := range []struct {
		name   string
		rounds int
		missed bool
	}{{"in the ring of the feed", feed.MaxBatches / 2, false}, {"behind the feed", 2 * feed.MaxBatches,
		false}, {"behind the log", 300, true}} {
		t.Run(c.name, func(t *testing.T) {
			l := event.NewLog(feedOrigin, 65536)
			s := newService(logGateway{log: l}, 0)
			stopped, going := call(t, s, &pb.StreamEventsRequest{}).begin(), call(t, s, &pb.StreamEventsRequest{}).begin()
			stopped.next, going.next = 1, 1
			following(t, s, 2)
			var last uint64
			for range c.rounds {
				last = publish(l, contract.BatchSize)
				if missed := going.reach(last); missed > 0 {
					t.Fatalf("the stream that goes on missed %d", missed)
				}
			}
			expectBounded(t, s)
			missed := stopped.reach(last)
			if (missed > 0) != c.missed || missed != l.Missed() {
				t.Errorf("%d missed; %d are counted", missed, l.Missed())
			}
			following(t, s, 2)
			for shared := false; !shared; { // it may read one more batch by itself
				publish(l, 1)
				a, _ := stopped.receive()
				b, _ := going.receive()
				if len(a.GetEvents()) != 1 || len(b.GetEvents()) != 1 {
					t.Fatalf("%v and %v; expected one event each", a, b)
				}
				shared = a.bytes == b.bytes
			}
			stopped.end()
			going.end()
			expectNothingOpen(t, s)
		})
	}
}

// TestFeedIsOverrun checks that each stream of a feed is told, and counts, the events that the feed missed while no
// stream took anything.
func TestFeedIsOverrun(t *testing.T) {
	l := event.NewLog(feedOrigin, 256)
	s := newService(logGateway{log: l}, 0)
	callers := []*caller{call(t, s, &pb.StreamEventsRequest{}).begin(), call(t, s, &pb.StreamEventsRequest{}).begin()}
	following(t, s, 2)
	var last uint64
	for range 100 {
		last = publish(l, 256)
	}
	var missed uint64
	for _, c := range callers {
		c.next = 1
		missed += c.reach(last)
	}
	if missed == 0 || missed != l.Missed() {
		t.Errorf("%d missed; %d are counted", missed, l.Missed())
	}
}

// TestFeedEndsWithLog checks that all streams get the remaining events when the log is closed, and end without an
// error.
func TestFeedEndsWithLog(t *testing.T) {
	l := event.NewLog(feedOrigin, 65536)
	s := newService(logGateway{log: l}, 0)
	var callers []*caller
	for range 10 {
		callers = append(callers, call(t, s, &pb.StreamEventsRequest{}).begin())
	}
	following(t, s, 10)
	last := publish(l, 10_000)
	l.Close()
	callers = append(callers, call(t, s, &pb.StreamEventsRequest{After: "0"}).begin()) // too late for more events
	for _, c := range callers {
		c.next = 1
		c.reach(last)
		if d, ok := c.receive(); ok {
			t.Errorf("got %v behind the end", d)
		}
		err := <-c.returned
		c.returned <- err
		if err != nil {
			t.Error(err)
		}
	}
	expectNothingOpen(t, s)
}

// TestFeedPanics checks that a panic in the feed of one selection ends the streams of that selection, each in its own
// call, and no others.
func TestFeedPanics(t *testing.T) {
	l := event.NewLog(feedOrigin, 256)
	g := logGateway{log: l, match: func(e *event.Event) bool {
		if e.Type == event.Error {
			panic("no such filter")
		}
		return true
	}}
	s := newService(g, 0)
	callers := []*caller{call(t, s, &pb.StreamEventsRequest{}).begin(), call(t, s, &pb.StreamEventsRequest{}).begin()}
	other := call(t, s, &pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_ENDED}}).begin()
	following(t, s, 3)
	l.Append(&event.Event{Type: event.Error})
	for _, c := range callers {
		if d, ok := c.receive(); ok {
			t.Errorf("got %v", d)
		}
		err := <-c.returned
		c.returned <- err
		if err == nil || !strings.HasPrefix(err.Error(), "panic: no such filter") ||
			!strings.Contains(err.Error(), "stream_feed_test.go") {
			t.Errorf("ended with %v", err)
		}
	}
	other.next = publish(l, 1)
	other.reach(other.next)
}

// TestFeedHeartbeats checks that each of many idle streams gets a response every 5 s, whenever it began.
func TestFeedHeartbeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := event.NewLog(feedOrigin, 256)
		s := newService(logGateway{log: l}, 0)
		var receiving sync.WaitGroup
		var callers []*caller
		for range 5 {
			c := call(t, s, &pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_CLOSED}}).begin()
			callers = append(callers, c)
			receiving.Go(func() {
				for heard := time.Now(); ; {
					if _, ok := c.receive(); !ok {
						return
					}
					if idle := time.Since(heard); idle > contract.Heartbeat {
						t.Errorf("idle for %s", idle)
					}
					heard = time.Now()
				}
			})
			time.Sleep(1700 * time.Millisecond)
		}
		publish(l, 1) // of another type
		time.Sleep(2 * contract.Heartbeat)
		for _, c := range callers {
			c.end()
		}
		receiving.Wait()
		for _, c := range callers {
			if c.at != l.Head().String() {
				t.Errorf("heard %s last; the log is at %s", c.at, l.Head())
			}
		}
		expectNothingOpen(t, s)
	})
}

// TestFeedChurn checks that streams that come, go, stop and resume get every selected event once, while events are
// published and other streams do the same.
func TestFeedChurn(t *testing.T) {
	const publishers, each = 2, 15_000
	l := event.NewLog(feedOrigin, 65536)
	s := newService(logGateway{log: l}, 0)
	var publishing, calling sync.WaitGroup
	for range publishers {
		publishing.Go(func() {
			for i := range each {
				l.Append(&event.Event{Type: []event.Type{event.Connected, event.Closed, event.Ended}[i%3]})
				if i%64 == 0 {
					runtime.Gosched() // a few at a time, rather than all at once
				}
			}
		})
	}
	sequences := make([][]uint64, 12)
	for i := range sequences {
		calling.Go(func() {
			r := &pb.StreamEventsRequest{After: "0"}
			if i%3 == 0 {
				r.Types = []pb.EventType{pb.EventType_EVENT_TYPE_CLOSED}
			}
			random := rand.New(rand.NewPCG(uint64(i), 1))
			for ended := false; !ended; {
				c := call(t, s, r)
				for n := random.IntN(40); n > 0 && !ended; n-- {
					d, ok := c.receive()
					for _, e := range d.GetEvents() {
						sequences[i] = append(sequences[i], e.GetSequence())
					}
					ended = !ok
				}
				if c.at != "" {
					r.After = c.at
				}
				c.end()
			}
		})
	}
	publishing.Wait()
	l.Close()
	calling.Wait()
	wanted := [2][]uint64{}
	all, err := l.Subscribe(event.Options{After: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	for events := all.Poll(nil); len(events) > 0; events = all.Poll(events[:0]) {
		for _, e := range events {
			wanted[1] = append(wanted[1], e.Sequence)
			if e.Type == event.Closed {
				wanted[0] = append(wanted[0], e.Sequence)
			}
		}
	}
	for i, got := range sequences {
		want := wanted[min(i%3, 1)]
		if len(got) != len(want) {
			t.Errorf("stream %d got %d events of %d", i, len(got), len(want))
		}
		for j := range min(len(got), len(want)) {
			if got[j] != want[j] {
				t.Fatalf("stream %d got %d where %d was expected", i, got[j], want[j])
			}
		}
	}
	expectNothingOpen(t, s)
}

// TestFeedData checks that DATA comes once and in its place, to all streams of a feed, while some join late and some
// are slow.
func TestFeedData(t *testing.T) {
	const events = 4000
	l := event.NewLog(feedOrigin, 65536)
	s := newService(logGateway{log: l}, 0)
	r := &pb.StreamEventsRequest{IncludeData: true, MaxDataBytes: 16}
	first := call(t, s, r).begin()
	var calling sync.WaitGroup
	follow := func(c *caller, slow bool) {
		var kept, data uint64
		for {
			d, ok := c.receive()
			if !ok {
				break
			}
			for _, e := range d.GetEvents() {
				if e.GetGap() != nil { // DATA_OVERFLOW
					if data != 0 {
						data += e.GetGap().GetDataEvents()
					}
					continue
				}
				if p := e.GetData().GetData(); p != nil {
					n := binary.BigEndian.Uint64(p)
					if data != 0 && n != data+1 || e.GetSequence() != kept && kept != 0 ||
						binary.BigEndian.Uint64(p[8:]) != e.GetSequence() {
						t.Errorf("DATA %d behind %d, at %d behind %d", n, data, e.GetSequence(), kept)
						return
					}
					data = n
					continue
				}
				if kept != 0 && e.GetSequence() != kept+1 {
					t.Errorf("%d behind %d", e.GetSequence(), kept)
					return
				}
				kept = e.GetSequence()
			}
			if slow {
				runtime.Gosched()
			}
		}
		if kept != events && kept != 0 || data != events && data != 0 { // 0: the stream began after the end
			t.Errorf("ended at %d, DATA %d", kept, data)
		}
	}
	calling.Go(func() { follow(first, false) })
	following(t, s, 1)
	for i := uint64(1); i <= events; i++ {
		l.Append(&event.Event{Type: event.Ended})
		p := binary.BigEndian.AppendUint64(nil, i)
		l.AppendData(event.Connection{}, binary.BigEndian.AppendUint64(p, i))
		if i%400 == 0 {
			c := call(t, s, r)
			calling.Go(func() { follow(c, i%800 == 0) })
		}
	}
	l.Close()
	calling.Wait()
	expectNothingOpen(t, s)
	if l.Tapped() {
		t.Error("DATA is kept for nobody")
	}
}
