package control_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// logOnly is a gateway that has only an event log.
type logOnly struct {
	gateway
	log *event.Log
}

func (l logOnly) Cursor() event.Cursor { return l.log.Head() }

func (l logOnly) Subscribe(r server.SubscribeRequest) (*event.Subscription, error) {
	return l.log.Subscribe(event.Options{After: r.After, Types: r.Types})
}

// TestHeartbeat checks that an idle stream gets a response without events every 5 s. Its cursor is current even if the
// events that happen are not selected by the stream. The clock is the test's own.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := event.NewLog(event.Origin{Node: "test", Incarnation: "1"}, 256)
		pipe := newPipe("127.0.0.1")
		s := control.New(logOnly{log: log}, control.Config{})
		served := make(chan error, 1)
		go func() { served <- s.Serve(pipe) }()
		conn := pipe.client(t)
		stream, err := pb.NewGatewayServiceClient(conn).StreamEvents(t.Context(),
			&pb.StreamEventsRequest{Types: []pb.EventType{closed}})
		check(t, err)
		expect := func(after time.Duration, events int, cursor string) {
			t.Helper()
			began := time.Now()
			r, err := stream.Recv()
			check(t, err)
			if len(r.GetEvents()) != events || r.GetCursor() != cursor || time.Since(began) != after {
				t.Errorf("%v after %s; expected %d events and cursor %s after %s", r, time.Since(began), events, cursor, after)
			}
		}
		expect(0, 0, "test.1@0")
		expect(5*time.Second, 0, "test.1@0")
		log.Append(&event.Event{Type: event.Connected})
		expect(5*time.Second, 0, "test.1@1")
		time.AfterFunc(2*time.Second, func() { log.Append(&event.Event{Type: event.Closed}) })
		expect(2*time.Second, 1, "test.1@2")
		log.Append(&event.Event{Type: event.Closed})
		log.Append(&event.Event{Type: event.Closed})
		expect(20*time.Millisecond, 2, "test.1@4") // together, because batches are at least 20 ms apart
		expect(5*time.Second, 0, "test.1@4")
		log.Close()
		if r, err := stream.Recv(); r != nil || err == nil || err.Error() != "EOF" {
			t.Errorf("%v, %v after the log was closed", r, err)
		}
		check(t, conn.Close())
		s.Stop(t.Context())
		check(t, <-served)
	})
}
