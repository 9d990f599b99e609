package server_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// The audit at the end of each test checks that CONNECTED and CLOSED come exactly once each, with dense sequences and
// exact counts.
func TestManyOpensAndCloses(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		n, lanes := scaled(4_000, 10_000), 8
		g := startOn(t, engine, server.Config{EventLogSize: 4 * n})
		f := g.follow(event.Closed)
		addr := g.addr()
		var clients sync.WaitGroup
		for lane := range lanes {
			clients.Go(func() {
				for i := range n / lanes {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						t.Error(err)
						return
					}
					if i%4 == lane%4 { // half of them say nothing, and some are reset
						_ = c.(*net.TCPConn).SetLinger(0)
					} else if i%2 == 0 {
						_, _ = c.Write([]byte("hello"))
					}
					c.Close()
				}
			})
		}
		for range n {
			f.awaitType(event.Closed, "")
		}
		clients.Wait()
		g.settle(0)
		if totals := g.info().Totals; totals.Accepted != uint64(n) || totals.Connections != 0 {
			t.Errorf("accepted %d, %d left; expected %d and 0", totals.Accepted, totals.Connections, n)
		}
	})
}

// tagger sends each connection its own ID, again and again, from goroutines of its own, even after it has closed.
type tagger struct {
	server.BaseHandler
	senders sync.WaitGroup
}

func tag(seq uint64) []byte { return binary.BigEndian.AppendUint64([]byte("<id>"), seq) }

func seqOf(c *server.Conn) uint64 {
	id, err := server.ParseID(c.ID())
	if err != nil {
		panic(err)
	}
	return id.Seq
}

func (h *tagger) Open(c *server.Conn) {
	p := bytes.Repeat(tag(seqOf(c)), 30)
	if _, err := c.Send(p); err != nil && !errors.Is(err, server.ErrClosed) {
		panic(err)
	}
	h.senders.Go(func() {
		late := 0
		for i := 0; late < 10; i++ {
			if _, err := c.Send(p); errors.Is(err, server.ErrClosed) {
				late++
			}
			_ = c.SetLabel("n", fmt.Sprint(i))
			if i == 5000 { // a peer that nothing ends
				c.Close(server.ReasonHandler)
			}
		}
	})
}

// A peer gets only bytes that were addressed to it, even when much goes on at once and descriptors are used again and
// again.
func TestBytesNeverReachAnotherPeer(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := &tagger{}
		g := startOn(t, engine, server.Config{Handler: h, CloseTimeout: 50 * time.Millisecond})
		addr := g.addr()
		var verbs, clients sync.WaitGroup
		var stop atomic.Bool
		verb := func(f func(id string, seq uint64)) {
			verbs.Go(func() {
				for !stop.Load() {
					page, err := g.List(context.Background(), server.ListRequest{Limit: 20, State: server.ListLive})
					if err != nil {
						t.Error(err)
						return
					}
					for _, c := range page.Connections {
						f(c.ID(), c.Seq)
					}
				}
			})
		}
		verb(func(id string, seq uint64) { g.send(id, bytes.Repeat(tag(seq), 300), time.Millisecond) })
		verb(func(id string, seq uint64) {
			_, _ = g.Broadcast(context.Background(), server.BroadcastRequest{Data: tag(seq),
				Match: match(func(i *server.Connection) bool { return i.Seq == seq })})
		})
		verb(func(id string, seq uint64) {
			if seq%3 == 0 {
				_, _ = g.Kick(context.Background(), server.KickRequest{Targets: server.IDs(id), Farewell: tag(seq),
					Flush: 2 * time.Millisecond})
			}
		})
		verb(func(id string, _ uint64) {
			_, _ = g.SetLabels(server.LabelRequest{Targets: server.IDs(id),
				Set: map[string]string{"room": "7"}, Remove: []string{"n"}})
		})
		for lane := range uint64(4) {
			clients.Go(func() {
				random := rand.New(rand.NewPCG(lane, 0))
				for range scaled(30, 60) {
					if err := readTags(addr, random); err != nil {
						t.Error(err)
					}
				}
			})
		}
		clients.Wait()
		stop.Store(true)
		verbs.Wait()
		g.stop()
		h.senders.Wait()
	})
}

// readTags connects, reads for a while, and checks that all tags are the same.
func readTags(addr string, random *rand.Rand) error {
	c, err := net.Dial("tcp", addr)
	if errors.Is(err, syscall.ECONNRESET) {
		return nil // it was kicked already
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(safety)); err != nil {
		return err
	}
	if random.IntN(2) == 0 {
		_ = c.(*net.TCPConn).SetLinger(0)
	}
	var first, p [12]byte
	for i := range random.IntN(3000) {
		if _, err := io.ReadFull(c, p[:]); err != nil {
			return nil // it was kicked
		}
		if i == 0 {
			first = p
		}
		if p != first || string(p[:4]) != "<id>" {
			return fmt.Errorf("the peer of %x got %x", first, p)
		}
	}
	return nil
}

// After a close the connection accepts nothing, and every way to ask says that it is closed.
func TestWriteAfterClose(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		conns := make(chan *server.Conn, 1)
		g := startOn(t, engine, server.Config{Handler: &hooks{open: func(c *server.Conn) { conns <- c }}})
		f := g.follow(event.Closed)
		p := g.open()
		c := <-conns
		c.Abort(server.ReasonHandler)
		closed := f.awaitType(event.Closed, p.id)
		if closed.Conn.CloseReason != event.ReasonHandler {
			t.Errorf("closed with %s; expected HANDLER", closed.Conn.CloseReason)
		}
		for range 3 {
			if o, err := c.Send([]byte("late")); o != server.OutcomeClosed || !errors.Is(err, server.ErrClosed) {
				t.Errorf("Conn.Send: %s, %v", o, err)
			}
			if err := c.SetLabel("a", "b"); !errors.Is(err, server.ErrClosed) {
				t.Errorf("Conn.SetLabel: %v", err)
			}
			c.Close(server.ReasonKicked)
			c.CloseWrite()
			c.Abort(server.ReasonKicked)
		}
		kick, _ := g.Kick(t.Context(), server.KickRequest{Targets: server.IDs(p.id), Flush: time.Second})
		if kick.Closed != 1 || kick.Outcomes[0].Outcome != server.OutcomeClosed {
			t.Errorf("Kick: %+v", kick)
		}
		if info := c.Info(); info.CloseReason != event.ReasonHandler || info.State != event.StateClosed ||
			!info.ClosedAt.Equal(closed.Conn.ClosedAt) {
			t.Errorf("afterwards the connection is %+v", info)
		}
	})
}
