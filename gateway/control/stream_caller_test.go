package control

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/control/internal/feed"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

var feedOrigin = event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}

// embedded is Gateway under a name that does not clash with its method Gateway.
type embedded = Gateway

// logGateway is a gateway that has only an event log.
type logGateway struct {
	embedded
	log   *event.Log
	match func(*event.Event) bool
}

func (g logGateway) Cursor() event.Cursor { return g.log.Head() }

func (g logGateway) Subscribe(r server.SubscribeRequest) (*event.Subscription, error) {
	return g.log.Subscribe(event.Options{After: r.After, Types: r.Types, MaxData: r.MaxData, Match: g.match})
}

// delivery is a response as its caller got it, with the address of its bytes.
type delivery struct {
	*pb.StreamEventsResponse
	bytes *byte
}

// caller is one StreamEvents call. The stream blocks until the caller takes the next response.
type caller struct {
	grpc.ServerStream
	t        testing.TB
	ctx      context.Context
	hangUp   context.CancelFunc
	sent     chan delivery
	returned chan error
	sending  func() // called before each response is sent; nil: nothing

	next uint64 // sequence that the next kept event must have if all types are followed
	at   string // cursor of the last response
}

func call(t testing.TB, s *Service, r *pb.StreamEventsRequest) *caller {
	return callSending(t, s, r, nil)
}

func callSending(t testing.TB, s *Service, r *pb.StreamEventsRequest, sending func()) *caller {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	c := &caller{t: t, ctx: ctx, hangUp: cancel, sent: make(chan delivery), returned: make(chan error, 1),
		sending: sending}
	go func() {
		defer func() {
			if p := recover(); p != nil {
				c.returned <- fmt.Errorf("panic: %v", p)
			}
		}()
		c.returned <- s.StreamEvents(r, c)
	}()
	t.Cleanup(c.end)
	return c
}

// end hangs up and waits until the call has returned.
func (c *caller) end() {
	c.hangUp()
	c.returned <- <-c.returned
}

func (c *caller) Context() context.Context { return c.ctx }

func (c *caller) Send(*pb.StreamEventsResponse) error { return errors.New("not encoded") }

func (c *caller) SendMsg(m any) error {
	b := m.(*encodedResponse).buffer.ReadOnlyData()
	response := &pb.StreamEventsResponse{}
	if err := proto.Unmarshal(b, response); err != nil {
		return err
	}
	if c.sending != nil {
		c.sending()
	}
	select {
	case c.sent <- delivery{response, unsafe.SliceData(b)}:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// receive takes the next response. It reports false if the call has returned.
func (c *caller) receive() (delivery, bool) {
	select {
	case d := <-c.sent:
		c.at = d.GetCursor()
		return d, true
	case err := <-c.returned:
		c.returned <- err
		return delivery{}, false
	}
}

// begin takes the first response, which has no events.
func (c *caller) begin() *caller {
	c.t.Helper()
	d, ok := c.receive()
	if !ok || len(d.GetEvents()) > 0 {
		c.t.Fatalf("began with %v", d)
	}
	return c
}

// reach receives until it has got a sequence. It checks that every event comes once, or is in a gap. It returns the
// total size of the gaps.
func (c *caller) reach(last uint64) (missed uint64) {
	c.t.Helper()
	for c.next <= last {
		d, ok := c.receive()
		if !ok {
			c.t.Fatalf("ended before %d", c.next)
		}
		missed += c.account(d)
	}
	return missed
}

func (c *caller) account(d delivery) (missed uint64) {
	c.t.Helper()
	for _, e := range d.GetEvents() {
		from, to := e.GetSequence(), e.GetSequence()
		if gap := e.GetGap(); gap != nil {
			from, to = gap.GetFrom(), gap.GetTo()
			missed += to - from + 1
		}
		if from != c.next {
			c.t.Errorf("%v where %d was expected", e, c.next)
		}
		c.next = to + 1
	}
	if want := (event.Cursor{Origin: feedOrigin, Sequence: c.next - 1}).String(); c.at != want {
		c.t.Errorf("cursor %s; expected %s", c.at, want)
	}
	return missed
}

// following waits until that many streams follow the feeds of the service.
func following(t testing.TB, s *Service, followers int) {
	for s.feeds.Usage().Followers != followers {
		runtime.Gosched()
	}
}

// expectNothingOpen checks that the feeds ended with their streams, and keep nothing.
func expectNothingOpen(t testing.TB, s *Service) {
	t.Helper()
	if u := s.feeds.Usage(); len(u.Batches) != 0 || u.Bytes != 0 {
		t.Errorf("%d feeds are open, %d bytes are held", len(u.Batches), u.Bytes)
	}
}

// expectBounded checks that the feeds keep no more for slow streams than their bound, and no less than they could,
// except for batches on their way.
func expectBounded(t testing.TB, s *Service) {
	t.Helper()
	for _, n := range s.feeds.Usage().Batches {
		if n < feed.MaxBatches/2-1 || n > feed.MaxBatches {
			t.Errorf("%d batches are kept", n)
		}
	}
}

func publish(l *event.Log, n int) uint64 {
	var last uint64
	for range n {
		last = l.Append(&event.Event{Type: event.Ended})
	}
	return last
}
