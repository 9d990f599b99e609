package fleet

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/share"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// named is a Local that gives every caller a name of the test.
type named struct {
	Local
	mu   sync.Mutex
	name string
}

func (n *named) Caller(context.Context) event.Actor {
	n.mu.Lock()
	defer n.mu.Unlock()
	return event.Actor{Identity: n.name, Proof: "token", Role: "VIEWER"}
}

// crowded returns nodes a and b, a function that opens a stream at a for a caller, and the room of a's streams.
func crowded(t *testing.T, bytes int64) (w *world, stream func(name string) client, pool *share.Pool) {
	w = newWorld("a", "b")
	local := &named{Local: w.at("a").node.local}
	w.at("a").node.local = local
	pool = share.New(bytes, bytes/reserved)
	w.at("a").node.shares.streams = pool
	return w, func(name string) client {
		local.mu.Lock()
		local.name = name
		local.mu.Unlock()
		c := open(t, w.at("a"), &pb.StreamEventsRequest{})
		c.next(t)
		return c
	}, pool
}

// TestUnreadStreamsAreBounded checks that unread streams hold no more than the room for them, and that they go on, with
// a GAP for each node whose log went round meanwhile, when they are read.
func TestUnreadStreamsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const bytes = 256 << 10
		w, stream, pool := crowded(t, bytes)
		var clients []client
		for range 40 {
			clients = append(clients, stream("idle"))
		}
		for range 200 {
			w.at("a").append(50)
			w.at("b").append(50)
			time.Sleep(100 * time.Millisecond)
		}
		if u := pool.Usage(1); u.Peak > bytes || u.Parties[0].Held < bytes/4 {
			t.Errorf("%+v", u)
		}
		for _, c := range clients {
			go func() {
				for {
					select {
					case <-c.Sent:
					case <-c.ctx.Done():
						return
					}
				}
			}()
		}
		reader := stream("idle")
		w.at("b").append(1)
		got := reader.until(t, shows("b:10001"))
		if strings.Contains(story(got...), "NODE_SILENT") {
			t.Errorf("got %.300s", story(got...))
		}
		for _, c := range clients {
			c.HangUp()
		}
		reader.HangUp()
		synctest.Wait()
		if u := pool.Usage(9); u.Held != 0 {
			t.Errorf("%+v is held after the end", u)
		}
	})
}

// TestUnreadStreamsSlowNobody checks that a caller that reads gets all events at once, whatever others do not read.
func TestUnreadStreamsSlowNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, stream, pool := crowded(t, 128<<10)
		var idle []client
		reader := stream("reader")
		head := 0
		for _, name := range []string{"one", "two", "three", "four", "five"} {
			for range 20 {
				idle = append(idle, stream(name))
			}
			for range 20 {
				w.at("b").append(50)
				head += 50
				began := time.Now()
				got := reader.until(t, shows(wordOf("b", uint64(head))))
				if n := len(eventsOf(got)); n != 50 || time.Since(began) > time.Second {
					t.Fatalf("with %d unread: %d events after %s: %.300s", len(idle), n, time.Since(began), story(got...))
				}
			}
		}
		if u := pool.Usage(0); u.Held > u.Total {
			t.Errorf("%+v", u)
		}
		gone := 0
		for _, c := range idle {
			select {
			case err := <-c.Result:
				if gone++; !errors.Is(err, errStreamGaveWay) {
					t.Errorf("ended with %v", err)
				}
			default:
			}
		}
		if gone == len(idle) {
			t.Error("no unread stream is left")
		}
	})
}
