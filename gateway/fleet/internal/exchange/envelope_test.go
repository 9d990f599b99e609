package exchange_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// parts returns the encoded envelopes of a request to kick at a peer with a body of that many bytes.
func parts(p *peer, id [16]byte, body int) [][]byte {
	r := &fleetv1.Request{Method: kick, Body: noise(body), Targets: []*fleetv1.Target{{Node: p.Self.Node,
		Incarnation: p.Self.Incarnation,
		Stamp:       uint64(time.Since(p.Began)), Wait: uint64(time.Minute)}}}
	message, _ := proto.Marshal(r)
	var all [][]byte
	for _, e := range exchange.Envelopes(id, false, message) {
		data, _ := proto.Marshal(e)
		all = append(all, data)
	}
	return all
}

// TestParts checks messages whose parts are lost, repeated or out of order.
func TestParts(t *testing.T) {
	for _, c := range []struct {
		name  string
		order []int // of the four parts
		calls int64
	}{
		{"in order", []int{0, 1, 2, 3}, 1},
		{"each twice", []int{0, 0, 1, 1, 2, 2, 3, 3}, 1},
		{"all twice", []int{0, 1, 2, 3, 0, 1, 2, 3}, 1},
		{"begun anew", []int{0, 1, 0, 1, 2, 3}, 1},
		{"one comes in another's place", []int{0, 2, 2, 3}, 0},
		{"the first is missing", []int{1, 2, 3}, 0},
		{"one is missing", []int{0, 1, 3}, 0},
		{"one comes late", []int{0, 2, 1, 3}, 0},
		{"the last is missing", []int{0, 1, 2}, 0},
		{"one was missing, and all come again", []int{0, 2, 3, 0, 1, 2, 3}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchanges(t, "a", "b")
				b := e.all["b"]
				calls, _ := counting(b)
				all := parts(b, [16]byte{1}, 4*exchange.PartSize-1000)
				for _, i := range c.order {
					b.HearAsk("a", all[i])
				}
				synctest.Wait()
				if calls.Load() != c.calls {
					t.Errorf("%d calls; expected %d", calls.Load(), c.calls)
				}
				if _, _, making := b.Left(); making != 0 && c.calls != 0 {
					t.Errorf("%d are in the making behind a message that is whole", making)
				}
				time.Sleep(11 * time.Second)
				if _, _, making := b.Left(); making != 0 {
					t.Errorf("%d are in the making 11 s later", making)
				}
			})
		})
	}
}

// TestPartsOfAnotherLength checks that a part with another number of parts does not end a message early.
func TestPartsOfAnotherLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		b := e.all["b"]
		calls, _ := counting(b)
		message := parts(b, [16]byte{1}, 2*exchange.PartSize-1000)
		first := new(fleetv1.Envelope)
		if err := proto.Unmarshal(message[0], first); err != nil {
			t.Fatal(err)
		}
		first.Parts = 3
		b.HearAsk("a", envelope(first))
		b.HearAsk("a", message[1])
		synctest.Wait()
		if _, _, making := b.Left(); calls.Load() != 0 || making != 0 {
			t.Errorf("%d calls, %d in the making", calls.Load(), making)
		}
	})
}

// TestWhatIsInTheMakingIsBounded checks that the oldest incomplete message is given up, by number and by bytes, and
// only of the node that has too many.
func TestWhatIsInTheMakingIsBounded(t *testing.T) {
	for _, c := range []struct {
		name string
		// Bytes of a message; how many are begun without their last part, and how many of them can be completed.
		size, begin, fit int
	}{
		{"messages", 2 * exchange.PartSize, exchange.MaxMaking + 3, exchange.MaxMaking},
		{"bytes", exchange.MessageSize - exchange.PartSize, 8, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchanges(t, "a", "b", "c")
				b := e.all["b"]
				calls, _ := counting(b)
				other := parts(b, [16]byte{2}, 2*exchange.PartSize-1000)
				b.HearAsk("c", other[0])
				var last [][]byte
				for n := range c.begin {
					all := parts(b, [16]byte{1, byte(n)}, c.size-1000)
					for _, data := range all[:len(all)-1] {
						b.HearAsk("a", data)
						if messages, bytes, counted, _ := b.Making("a"); messages > exchange.MaxMaking ||
							bytes > exchange.MaxMakingBytes || bytes != counted {
							t.Fatalf("%d messages and %d bytes in the making, counted as %d", messages, bytes, counted)
						}
					}
					last = append(last, all[len(all)-1])
				}
				for n, data := range last {
					b.HearAsk("a", data)
					synctest.Wait()
					if expected := max(0, n+1-(c.begin-c.fit)); calls.Load() != int64(expected) {
						t.Fatalf("%d calls after the end of message %d; expected %d", calls.Load(), n, expected)
					}
				}
				b.HearAsk("c", other[1])
				synctest.Wait()
				if calls.Load() != int64(c.fit+1) {
					t.Error("another node's message was given up")
				}
				time.Sleep(time.Second)
				if _, _, counted, all := b.Making("a"); counted != 0 || all != 0 {
					t.Errorf("nothing is in the making, and it counts %d and %d bytes", counted, all)
				}
			})
		})
	}
}

// TestWhatIsInTheMakingOfAllIsBounded checks that the oldest of all incomplete messages is given up if all nodes
// together have too many.
func TestWhatIsInTheMakingOfAllIsBounded(t *testing.T) {
	for _, c := range []struct {
		name                  string
		chunk, parts          int // of each message that is begun
		messages, nodes, left int // of each node; number of nodes; messages left of all nodes
	}{
		{"messages", 1, 1, 32, exchange.MaxAll/32 + 1, exchange.MaxAll},
		{"bytes", exchange.PartSize, 16, 8, 9, exchange.MaxAllBytes / exchange.PartSize / 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := newExchanges(t, "a")
				a, chunk := e.all["a"], make([]byte, c.chunk)
				for node := range c.nodes {
					for n := range c.messages {
						for part := range c.parts {
							a.AddPart(fmt.Sprint(node), [16]byte{byte(n)}, part, c.parts+1, chunk)
						}
						time.Sleep(time.Nanosecond)
					}
				}
				if _, _, making := a.Left(); making != c.left {
					t.Errorf("%d are in the making; expected %d", making, c.left)
				}
				for _, node := range []int{0, 1, c.nodes - 1} {
					expected := c.messages
					if node == 0 {
						expected = c.left - (c.nodes-1)*c.messages
					}
					if messages, bytes, counted, _ := a.Making(fmt.Sprint(node)); messages != expected || bytes != counted {
						t.Errorf("%d messages of %d bytes, counted as %d, of node %d; expected %d", messages, bytes, counted, node,
							expected)
					}
				}
			})
		})
	}
}

// TestAMessageIsGivenUpInTime checks that the parts of a message have 10 s to arrive.
func TestAMessageIsGivenUpInTime(t *testing.T) {
	for _, c := range []struct {
		after time.Duration
		calls int64
	}{{9 * time.Second, 1}, {11 * time.Second, 0}} {
		synctest.Test(t, func(t *testing.T) {
			e := newExchanges(t, "a", "b")
			b := e.all["b"]
			calls, _ := counting(b)
			all := parts(b, [16]byte{1}, 2*exchange.PartSize-1000)
			b.HearAsk("a", all[0])
			time.Sleep(c.after)
			b.HearAsk("a", all[1])
			synctest.Wait()
			if calls.Load() != c.calls {
				t.Errorf("%d calls after %s; expected %d", calls.Load(), c.after, c.calls)
			}
		})
	}
}

// TestGarbage checks that messages that cannot be understood do no harm and are counted in the log, in at most one line
// a second. A message of a newer version is not garbage.
func TestGarbage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges(t, "a", "b")
		a, b := e.all["a"], e.all["b"]
		id := [16]byte{1}
		newer, _ := proto.Marshal(&fleetv1.Envelope{Id: id[:]})
		newer = append(newer, 0xfa, 0x01, 2, 'h', 'i') // field 31
		b.HearAsk("a", newer)
		b.HearAnswer("a", newer)
		time.Sleep(2500 * time.Millisecond)
		if log := b.logged(); log != "" {
			t.Errorf("what a newer version says is in the log: %s", log)
		}
		for _, garbage := range [][]byte{
			nil, []byte("garbage"), make([]byte, 1<<20),
			envelope(&fleetv1.Envelope{Body: &fleetv1.Envelope_Request{}}),
			envelope(&fleetv1.Envelope{Id: id[:], Part: 1}),
			envelope(&fleetv1.Envelope{Id: id[:], Part: 2, Parts: 2}),
			envelope(&fleetv1.Envelope{Id: id[:], Part: 0, Parts: 33}),
			envelope(&fleetv1.Envelope{Id: id[:], Body: &fleetv1.Envelope_Request{Request: []byte("\xff")}}),
			envelope(&fleetv1.Envelope{Id: id[:], Parts: 2, Body: &fleetv1.Envelope_Request{}}),
			envelope(&fleetv1.Envelope{Id: id[:], Body: &fleetv1.Envelope_Request{Request: make([]byte, exchange.PartSize+1)}}),
			envelope(&fleetv1.Envelope{Id: id[:], Body: &fleetv1.Envelope_Reply{}}),
		} {
			for range 1000 {
				b.HearAsk("a", garbage)
			}
		}
		time.Sleep(10 * time.Second)
		if log := b.logged(); strings.Count(log, "\n") != 1 || !strings.Contains(log, `what="11000 not understood" node=a`) {
			t.Errorf("the log is %s", log)
		}
		if got := a.Ask(t.Context(), a.members("b"), exchange.Question{Method: list})[0]; string(got.Body) != "from b" {
			t.Errorf("answered %+v", got)
		}
	})
}

func envelope(e *fleetv1.Envelope) []byte {
	data, _ := proto.Marshal(e)
	return data
}

// FuzzEnvelope lets a node hear any bytes on both subjects. It also assembles parts from the same bytes, four for each
// part: the message's ID, the part's number, the number of parts, and its size. The assembly stays within its bounds
// and counts right, and a message is all its parts in order.
func FuzzEnvelope(f *testing.F) {
	id := [16]byte{1}
	for _, e := range append(exchange.Envelopes(id, false, noise(2*exchange.PartSize)), exchange.Envelopes(id, true,
		[]byte("reply"))...) {
		data := envelope(e)
		f.Add(data[:min(len(data), 100)])
	}
	f.Add(envelope(&fleetv1.Envelope{Id: id[:], Part: 1, Parts: 3, Body: &fleetv1.Envelope_Request{Request: []byte("x")}}))
	f.Add(envelope(&fleetv1.Envelope{Id: id[:], Body: &fleetv1.Envelope_Credit{Credit: &fleetv1.Credit{Taken: 3}}}))
	f.Add(envelope(&fleetv1.Envelope{Id: id[:], Body: &fleetv1.Envelope_Cancel{Cancel: &fleetv1.Cancel{}}}))
	f.Add([]byte{1, 0, 3, 9, 1, 1, 3, 9, 1, 2, 3, 9, 2, 0, 2, 5, 1, 2, 3, 9, 2, 1, 2, 1, 3, 0, 32, 255, 3, 2, 32, 255})
	f.Fuzz(func(t *testing.T, data []byte) {
		b := exchange.NewTesting(fleettest.NewLoopback().Bus("b"), event.Origin{Node: "b", Incarnation: "1"}, nil,
			hclog.NewNullLogger())
		if err := b.Start(); err != nil {
			t.Fatal(err)
		}
		defer b.Stop()
		b.HearAsk("a", data)
		b.HearAnswer("a", data)
		for n, rest := 0, data; len(rest) >= 4 && n < 1000; n, rest = n+1, rest[4:] {
			id, part, parts := rest[0], int(rest[1]), int(rest[2])
			if parts > 32 || part >= max(parts, 1) {
				continue // such an envelope is not understood
			}
			chunk := bytes.Repeat([]byte{id, byte(part), byte(parts)}, int(rest[3]))
			if message, complete := b.AddPart("c", [16]byte{id}, part, parts, chunk); complete {
				inOrder(t, message, id, byte(parts))
			}
			if messages, bytes, counted, all := b.Making("c"); messages > exchange.MaxMaking || bytes != counted || all < bytes {
				t.Fatalf("%d messages, %d bytes in the making, counted as %d and %d", messages, bytes, counted, all)
			}
		}
	})
}

// inOrder checks that a message consists of all its parts. Each part repeats its ID, its number and the number of
// parts.
func inOrder(t *testing.T, message []byte, id, parts byte) {
	next := 0
	for i := 0; i < len(message); i += 3 {
		part := int(message[i+1])
		if part == next {
			next++
		}
		if message[i] != id || message[i+2] != parts || part != next-1 {
			t.Fatalf("message %d of %d parts is %v", id, parts, message)
		}
	}
	if parts > 1 && next != int(parts) {
		t.Fatalf("message %d of %d parts has %d", id, parts, next)
	}
}
