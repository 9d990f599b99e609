package fleettest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/bus"
)

// patience is how long anything may take before a test gives up. No passing test waits that long.
const patience = 30 * time.Second

// BusKind makes buses of one kind, for their conformance suite.
type BusKind struct {
	// Open opens the bus of a place, `a`, `b` or `c`, and closes it when the test ends. The buses of one test reach each
	// other.
	Open func(t *testing.T, place string) bus.Bus
	// Connect cuts a place off, or connects it again. It is nil for a bus that contains its server and so is never cut
	// off.
	Connect func(t *testing.T, place string, connected bool)
}

// Buses is the conformance suite of every bus. It calls kind once for each of its tests, which run in parallel.
func Buses(t *testing.T, kind func(t *testing.T) BusKind) {
	for name, test := range map[string]func(*testing.T, BusKind){
		"order":              order,
		"wildcards":          wildcards,
		"content":            content,
		"unsubscribe":        unsubscribe,
		"slow subscriber":    slowSubscriber,
		"publishers at once": publishersAtOnce,
		"disconnected":       disconnected,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, kind(t))
		})
	}
}

// Message is a delivered message.
type Message struct {
	Subject string
	Data    []byte
}

// Inbox collects delivered messages. It is safe for concurrent use.
type Inbox struct {
	mu       sync.Mutex
	messages []Message
	more     chan struct{} // closed and replaced when a message comes
}

// NewInbox returns an empty inbox.
func NewInbox() *Inbox { return &Inbox{more: make(chan struct{})} }

// Deliver adds a message. It is a function for Bus.Subscribe.
func (i *Inbox) Deliver(subject string, data []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.messages = append(i.messages, Message{subject, data})
	close(i.more)
	i.more = make(chan struct{})
}

// All returns a copy of the messages that have come, in their order.
func (i *Inbox) All() []Message {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.messages)
}

// Await waits until at least n messages have come, and returns all of them. It fails the test after 30 s.
func (i *Inbox) Await(t testing.TB, n int) []Message {
	t.Helper()
	timeout := time.After(patience)
	for {
		i.mu.Lock()
		have, more := len(i.messages), i.more
		i.mu.Unlock()
		if have >= n {
			return i.All()
		}
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("%d messages came; expected %d", have, n)
		}
	}
}

// AwaitStatus waits until a bus is connected, or is not, and returns its status. It fails the test after 30 s.
func AwaitStatus(t testing.TB, b bus.Bus, connected bool) bus.Status {
	t.Helper()
	timeout := time.After(patience)
	for {
		changed := b.Changed()
		if s := b.Status(); s.Connected == connected {
			return s
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("the status is %+v; expected connected %t", b.Status(), connected)
		}
	}
}

// Settle waits until messages that one bus publishes reach the subscriptions that another bus has now. It fails the
// test after 30 s.
func Settle(t testing.TB, from, to bus.Bus) {
	t.Helper()
	subject, inbox := "settle."+rand.Text(), NewInbox()
	defer subscribe(t, to, subject, inbox.Deliver)()
	timeout, again := time.After(patience), time.NewTicker(5*time.Millisecond)
	defer again.Stop()
	for len(inbox.All()) == 0 {
		_ = from.Publish(subject, nil) // fails until the bus is connected
		select {
		case <-again.C:
		case <-timeout:
			t.Fatalf("nothing comes from one bus to the other: %+v, %+v", from.Status(), to.Status())
		}
	}
}

func subscribe(t testing.TB, b bus.Bus, subject string, deliver func(string, []byte)) (unsubscribe func()) {
	t.Helper()
	unsubscribe, err := b.Subscribe(subject, deliver)
	if err != nil {
		t.Fatal(err)
	}
	return unsubscribe
}

func publish(t testing.TB, b bus.Bus, subject string, data []byte) {
	t.Helper()
	if err := b.Publish(subject, data); err != nil {
		t.Fatalf("publishing %d bytes on %s: %v", len(data), subject, err)
	}
}

func number(n int) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// expectNumbers checks that the messages are 0, 1, 2 and so on.
func expectNumbers(t testing.TB, messages []Message) {
	t.Helper()
	for i, m := range messages {
		if !bytes.Equal(m.Data, number(i)) {
			t.Fatalf("message %d is %x", i, m.Data)
		}
	}
}

// order checks that a subscriber gets all messages of a publisher on a subject, in their order, on every bus.
func order(t *testing.T, kind BusKind) {
	a, b, c := kind.Open(t, "a"), kind.Open(t, "b"), kind.Open(t, "c")
	const n = 5000
	atB, atC, other := NewInbox(), NewInbox(), NewInbox()
	defer subscribe(t, b, "order.one", atB.Deliver)()
	defer subscribe(t, c, "order.one", atC.Deliver)()
	defer subscribe(t, b, "order.two", other.Deliver)()
	Settle(t, a, b)
	Settle(t, a, c)
	for i := range n {
		publish(t, a, "order.one", number(i))
		publish(t, a, "order.two", number(i))
	}
	for _, inbox := range []*Inbox{atB, atC, other} {
		expectNumbers(t, inbox.Await(t, n))
	}
}

// wildcards checks that `*` stands for one word, and for nothing else.
func wildcards(t *testing.T, kind BusKind) {
	a, b := kind.Open(t, "a"), kind.Open(t, "b")
	last, middle, plain, all := NewInbox(), NewInbox(), NewInbox(), NewInbox()
	defer subscribe(t, b, "w.f.beat.*", last.Deliver)()
	defer subscribe(t, b, "w.f.ask.*.b", middle.Deliver)()
	defer subscribe(t, b, "w.f.ask.c.b", plain.Deliver)()
	defer subscribe(t, b, "w.f.end", all.Deliver)()
	Settle(t, a, b)
	for _, subject := range []string{"w.f.beat.a", "w.f.beat", "w.f.beat.a.b", "w.g.beat.a", "w.f.ask.a.b", "w.f.ask.c.b",
		"w.f.ask.a.c", "w.f.ask.a", "w.f.ask.a.b.c", "w.f.beat.c", "w.f.end"} {
		publish(t, a, subject, []byte(subject))
	}
	all.Await(t, 1)
	for _, c := range []struct {
		inbox *Inbox
		want  []string
	}{{last, []string{"w.f.beat.a", "w.f.beat.c"}}, {middle, []string{"w.f.ask.a.b", "w.f.ask.c.b"}},
		{plain, []string{"w.f.ask.c.b"}}} {
		var got []string
		for _, m := range c.inbox.Await(t, len(c.want)) {
			got = append(got, m.Subject)
			if string(m.Data) != m.Subject {
				t.Errorf("on %s came %q", m.Subject, m.Data)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%q came; expected %q", got, c.want)
		}
	}
}

// content checks that messages of every size that a fleet sends arrive unchanged. The publisher may change its slice
// afterwards, and the subscriber may keep the one that it gets.
func content(t *testing.T, kind BusKind) {
	a, b := kind.Open(t, "a"), kind.Open(t, "b")
	inbox := NewInbox()
	defer subscribe(t, b, "content", inbox.Deliver)()
	Settle(t, a, b)
	var want [][]byte
	for _, size := range []int{0, 1, 127, 4096, 32 << 10, 256 << 10, 256<<10 + 1024, 3} {
		data := make([]byte, size)
		_, _ = rand.Read(data)
		want = append(want, bytes.Clone(data))
		publish(t, a, "content", data)
		clear(data)
	}
	for i, m := range inbox.Await(t, len(want)) {
		if !bytes.Equal(m.Data, want[i]) {
			t.Errorf("a message of %d bytes came with %d, and is not what it was", len(want[i]), len(m.Data))
		}
	}
}

// unsubscribe checks that unsubscribing waits for the delivery that is under way, and that nothing is delivered
// afterwards.
func unsubscribe(t *testing.T, kind BusKind) {
	a, b := kind.Open(t, "a"), kind.Open(t, "b")
	entered, leave := make(chan struct{}, 3001), make(chan struct{})
	var mu sync.Mutex
	delivered, over := 0, false
	end := subscribe(t, b, "u.one", func(string, []byte) {
		entered <- struct{}{}
		<-leave
		runtime.Gosched()
		mu.Lock()
		defer mu.Unlock()
		delivered++
		if over {
			t.Error("something is delivered behind unsubscribe")
		}
	})
	after := NewInbox()
	defer subscribe(t, b, "u.two", after.Deliver)()
	Settle(t, a, b)
	for range 3000 { // so that some are left when unsubscribe returns
		publish(t, a, "u.one", nil)
	}
	<-entered
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		end()
		mu.Lock()
		defer mu.Unlock()
		if over = true; delivered == 0 {
			t.Error("unsubscribe did not wait for what was being delivered")
		}
	}()
	publish(t, a, "u.two", nil)
	after.Await(t, 1) // the other subscription goes on meanwhile
	close(leave)
	<-returned
	publish(t, a, "u.one", nil)
	publish(t, a, "u.two", nil)
	after.Await(t, 2)
	Settle(t, a, b)
	end() // a second call does nothing
}

// slowSubscriber checks that a subscriber that does not take its messages delays no other, and gets them when it takes
// them.
func slowSubscriber(t *testing.T, kind BusKind) {
	a, b := kind.Open(t, "a"), kind.Open(t, "b")
	const n = 1000
	stalled, slow, fast := make(chan struct{}), NewInbox(), NewInbox()
	end := subscribe(t, b, "slow", func(subject string, data []byte) {
		<-stalled
		slow.Deliver(subject, data)
	})
	defer end()
	defer subscribe(t, b, "fast", fast.Deliver)()
	Settle(t, a, b)
	for i := range n {
		publish(t, a, "slow", number(i))
		publish(t, a, "fast", number(i))
	}
	expectNumbers(t, fast.Await(t, n))
	if came := slow.All(); len(came) > 0 {
		t.Errorf("%d messages came to a subscriber that takes none", len(came))
	}
	close(stalled)
	expectNumbers(t, slow.Await(t, n))
}

// publishersAtOnce checks that many goroutines may publish and subscribe at once, and that the order of each publisher
// is kept.
func publishersAtOnce(t *testing.T, kind BusKind) {
	a, b, c := kind.Open(t, "a"), kind.Open(t, "b"), kind.Open(t, "c")
	const publishers, n = 4, 500
	inboxes := make(map[string]*Inbox)
	for _, place := range []string{"a", "b"} {
		for p := range publishers {
			subject := fmt.Sprintf("at-once.%s.%d", place, p)
			inboxes[subject] = NewInbox()
			defer subscribe(t, c, subject, inboxes[subject].Deliver)()
		}
	}
	Settle(t, a, c)
	Settle(t, b, c)
	var all sync.WaitGroup
	for place, bus := range map[string]bus.Bus{"a": a, "b": b} {
		for p := range publishers {
			all.Go(func() {
				end, err := bus.Subscribe("at-once.nothing", func(string, []byte) {})
				if err != nil {
					t.Error(err)
					return
				}
				defer end()
				for i := range n {
					if err := bus.Publish(fmt.Sprintf("at-once.%s.%d", place, p), number(i)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	all.Wait()
	for _, inbox := range inboxes {
		expectNumbers(t, inbox.Await(t, n))
	}
}

// disconnected checks a bus without a connection. Its status says so and why, and it refuses messages at once.
// Subscriptions stay in force, including those that are made meanwhile. A message that was published before the
// connection was lost does not arrive late.
func disconnected(t *testing.T, kind BusKind) {
	if kind.Connect == nil {
		t.Skip("this bus is never cut off")
	}
	a, b := kind.Open(t, "a"), kind.Open(t, "b")
	for _, bus := range []bus.Bus{a, b} {
		if s := AwaitStatus(t, bus, true); s.Problem != "" || s.Since.IsZero() || s.Mode == "" {
			t.Errorf("connected: %+v", s)
		}
	}
	held, made := NewInbox(), NewInbox()
	defer subscribe(t, b, "d.held", held.Deliver)()
	Settle(t, a, b)
	before := a.Status()
	changed := a.Changed()
	for _, place := range []string{"a", "b"} {
		kind.Connect(t, place, false)
	}
	<-changed
	AwaitStatus(t, b, false)
	if s := AwaitStatus(t, a, false); s.Problem == "" || s.Since.Before(before.Since) {
		t.Errorf("disconnected: %+v; it was connected: %+v", s, before)
	}
	if err := a.Publish("d.held", []byte("lost")); err == nil {
		t.Error("what is published without a connection is taken")
	}
	defer subscribe(t, b, "d.made", made.Deliver)()
	for _, place := range []string{"a", "b"} {
		kind.Connect(t, place, true)
	}
	AwaitStatus(t, b, true)
	AwaitStatus(t, a, true)
	Settle(t, a, b)
	publish(t, a, "d.held", []byte("held"))
	publish(t, a, "d.made", []byte("made"))
	if got := held.Await(t, 1); string(got[0].Data) != "held" {
		t.Errorf("%q came", got[0].Data)
	}
	if got := made.Await(t, 1); string(got[0].Data) != "made" {
		t.Errorf("%q came", got[0].Data)
	}
}
