package lane_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/lane"
)

// peer is what the model knows of one connection.
type peer struct {
	conn   *net.TCPConn
	seq    int
	sent   []byte // by the client
	acked  int    // position that is acknowledged, and up to which the client has an echo
	losses int    // of owners at that position
	owner  *instance
	number uint64 // on the owner's lane
	got    int    // position up to which the owner has the bytes
	over   bool   // three owners were lost
}

// instance is a lane of the model.
type instance struct {
	*lane.Lane
	name  string
	peers map[uint64]*peer
}

// world is a gateway with its model. One goroutine drives it.
type world struct {
	*rapid.T
	g         *gateway
	peers     []*peer
	instances []*instance
	next      byte
	attached  int
}

// TestModel compares the package with a model, in any order of attaching, detaching, data, acknowledgements, moves and
// drains: each connection has one owner, which gets exactly the bytes behind the acknowledged position, and each client
// gets the echo of what was acknowledged, once.
func TestModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		g, stop := begin(t)
		defer stop()
		w := &world{T: r, g: g}
		for range 3 {
			w.connect()
		}
		r.Repeat(map[string]func(*rapid.T){
			"attach":      func(*rapid.T) { w.attach() },
			"detach":      w.detach,
			"data":        w.data,
			"acknowledge": w.acknowledge,
			"move":        w.move,
			"drain":       w.drain,
			"":            func(*rapid.T) { w.pump() },
		})
		w.finish()
	})
}

func (w *world) connect() {
	c, err := net.Dial("tcp", w.g.addr)
	w.check(err)
	w.check(c.SetDeadline(time.Now().Add(patience)))
	w.peers = append(w.peers, &peer{conn: c.(*net.TCPConn), seq: len(w.peers) + 1})
	await(w.g.t, "the connection is there", func() bool { return w.g.server.Live() == len(w.peers) })
}

func (w *world) check(err error) {
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) attach() {
	w.attached++
	name := fmt.Sprintf("i%d", w.attached)
	l, err := w.g.table.Attach(lane.Hello{Handler: "test", Instance: name})
	w.check(err)
	w.instances = append(w.instances, &instance{Lane: l, name: name, peers: make(map[uint64]*peer)})
}

// pick returns one of the instances, or skips the step when there is none.
func (w *world) pick(t *rapid.T) *instance {
	if len(w.instances) == 0 {
		t.Skip("no instance")
	}
	return w.instances[rapid.IntRange(0, len(w.instances)-1).Draw(t, "instance")]
}

func (w *world) detach(t *rapid.T) {
	i := w.pick(t)
	blame := rapid.Bool().Draw(t, "blame")
	i.Detach(lane.Cause{Text: "the test", Gateway: !blame})
	w.lost(i, blame)
}

// lost takes an instance out of the model.
func (w *world) lost(i *instance, blame bool) {
	for at, other := range w.instances {
		if other == i {
			w.instances = append(w.instances[:at], w.instances[at+1:]...)
			break
		}
	}
	for _, p := range i.peers {
		p.owner = nil
		if blame && p.got > p.acked {
			p.losses++
			p.over = p.over || p.losses == 3
		}
	}
}

func (w *world) data(t *rapid.T) {
	p := w.peers[rapid.IntRange(0, len(w.peers)-1).Draw(t, "peer")]
	if p.over {
		t.Skip("it is closed")
	}
	more := make([]byte, rapid.IntRange(1, 40_000).Draw(t, "bytes"))
	for i := range more {
		w.next++
		more[i] = w.next
	}
	if len(p.sent)+len(more)-p.acked > 60_000 {
		t.Skip("the window is full")
	}
	_, err := p.conn.Write(more)
	w.check(err)
	p.sent = append(p.sent, more...)
	await(w.g.t, "the bytes are read", func() bool { return w.received(p) == len(p.sent) })
}

func (w *world) received(p *peer) int {
	info, err := w.g.server.Get(fmt.Sprintf("test.%s.%d", w.g.server.Gateway().Incarnation, p.seq))
	w.check(err)
	return int(info.BytesReceived)
}

func (w *world) acknowledge(t *rapid.T) {
	p := w.owned(t)
	w.reply(p, rapid.IntRange(p.acked, p.got).Draw(t, "position"))
}

// owned returns a connection that has an owner, or skips the step.
func (w *world) owned(t *rapid.T) *peer {
	p := w.peers[rapid.IntRange(0, len(w.peers)-1).Draw(t, "peer")]
	if p.owner == nil {
		t.Skip("nobody owns it")
	}
	return p
}

// reply acknowledges up to a position, with an echo of the bytes, which the client then has.
func (w *world) reply(p *peer, position int) {
	w.check(p.owner.Do(&lane.Command{Connection: p.number, Data: p.sent[p.acked:position],
		Acknowledged: uint64(position)}))
	echo := make([]byte, position-p.acked)
	if _, err := io.ReadFull(p.conn, echo); err != nil || !bytes.Equal(echo, p.sent[p.acked:position]) {
		w.Fatalf("the echo of %d to %d: %v", p.acked, position, err)
	}
	if position > p.acked {
		p.acked, p.losses = position, 0
	}
}

func (w *world) move(t *rapid.T) {
	p, to := w.owned(t), w.pick(t)
	w.check(p.owner.Do(&lane.Command{Connection: p.number, MoveTo: to.name}))
}

func (w *world) drain(t *rapid.T) {
	i := w.pick(t)
	i.Drain(time.Duration(rapid.IntRange(0, 1).Draw(t, "hours")) * time.Hour)
}

// pump takes all deliveries, and compares them with the model.
func (w *world) pump() {
	over, cancel := context.WithCancel(context.Background())
	cancel()
	for progress := true; progress; {
		progress = false
		for _, i := range append([]*instance(nil), w.instances...) {
			err := i.Next(over, func(d *lane.Delivery) {
				progress = true
				w.take(i, d)
			})
			var cause *lane.Cause
			if errors.As(err, &cause) {
				progress = true
				w.lost(i, false) // its drain is over
			}
		}
	}
}

// take compares one delivery with the model.
func (w *world) take(i *instance, d *lane.Delivery) {
	p := i.peers[d.Connection]
	switch {
	case d.Kind == lane.Opened:
		p = w.peers[d.Info.Seq-1]
		if i.peers[d.Connection] != nil || int(d.Position) != p.acked || int(d.Sent) != p.acked ||
			int(d.Attempt) != p.losses || p.over {
			w.Fatalf("opened %+v; the model has %+v", d, p)
		}
		i.peers[d.Connection] = p
		p.owner, p.number, p.got = i, d.Connection, p.acked
	case p == nil:
		w.Fatalf("%+v is about no connection of the lane", d)
	case d.Kind == lane.Moved:
		delete(i.peers, d.Connection)
		if p.owner == i && p.number == d.Connection {
			p.owner = nil
		}
	case d.Kind == lane.Data:
		if p.owner != i || int(d.Position) != p.got+len(d.Data) || !bytes.Equal(d.Data, p.sent[p.got:d.Position]) {
			w.Fatalf("data up to %d; the model has %d", d.Position, p.got)
		}
		p.got = int(d.Position)
	default:
		w.Fatalf("%+v", d)
	}
}

// finish serves what is left, and checks that every client has the echo of all that it sent.
func (w *world) finish() {
	w.attach()
	for _, p := range w.peers {
		if p.over {
			_, err := io.Copy(io.Discard, p.conn)
			w.check(err)
			continue
		}
		await(w.g.t, "the connection is served to the end", func() bool {
			w.pump()
			if p.owner != nil && p.got > p.acked {
				w.reply(p, p.got)
			}
			return p.acked == len(p.sent)
		})
	}
	for _, p := range w.peers {
		w.check(p.conn.Close())
	}
}
