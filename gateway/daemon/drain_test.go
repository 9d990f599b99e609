package daemon_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func is(t pb.EventType) func(*pb.Event) bool {
	return func(e *pb.Event) bool { return e.GetType() == t }
}

// pattern fills p with the bytes of a stream. Bytes beside each other differ.
func pattern(p []byte, from int) {
	for i := 0; i < len(p); i += 8 {
		binary.BigEndian.PutUint64(p[i:], uint64(from+i)*0x9E3779B97F4A7C15)
	}
}

// blockSize is the number of bytes that a talker writes at once.
const blockSize = 8 << 10

// talker writes its pattern and checks that the bytes that come back are a prefix of it.
type talker struct {
	conn     net.Conn
	sent     int // bytes that Write accepted
	received int
	broken   error
}

// window is the most blocks that a stubborn talker has in flight, so that a busy machine does not keep the gateway from
// flushing them in time.
const window = 8

// talk writes until stop is closed and then finishes. A stubborn talker writes until the gateway ends. talk returns
// when there is nothing more to read.
func (k *talker) talk(stop <-chan struct{}, stubborn bool) {
	var writing sync.WaitGroup
	over, room := make(chan struct{}), make(chan struct{}, window)
	writing.Go(func() {
		block := make([]byte, blockSize)
		for {
			pattern(block, k.sent)
			n, err := k.conn.Write(block)
			k.sent += n
			if err != nil {
				return
			}
			if stubborn {
				select {
				case room <- struct{}{}:
				case <-over:
					return
				}
				continue
			}
			select {
			case <-stop:
				_ = k.conn.(*net.TCPConn).CloseWrite()
				return
			default:
			}
		}
	})
	got, want := make([]byte, 64<<10), make([]byte, 64<<10+16)
	for {
		n, err := k.conn.Read(got)
		start := k.received - k.received%8
		pattern(want, start)
		if offset := k.received - start; !bytes.Equal(got[:n], want[offset:offset+n]) && k.broken == nil {
			k.broken = errors.New("what came back is not what was sent")
		}
		if stubborn {
			for range (k.received+n)/blockSize - k.received/blockSize {
				<-room
			}
		}
		if k.received += n; err != nil {
			if !errors.Is(err, io.EOF) && k.broken == nil {
				k.broken = err
			}
			break
		}
	}
	close(over)
	_ = k.conn.Close()
	writing.Wait()
}

// TestDrainUnderLoad checks that a signal loses nothing. A client that finishes in time gets back every byte that it
// sent. Another client gets back, in order, every byte that the gateway counted as sent. The process ends with 0.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{"SIGTERM": syscall.SIGTERM, "SIGINT": os.Interrupt} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := spawn(t, "", "--drain-timeout", "5s")
			stream := g.follow(&pb.StreamEventsRequest{})
			stop := make(chan struct{})
			var talking sync.WaitGroup
			talkers := make(map[string]*talker)
			for i := range 8 {
				k := &talker{conn: g.dial()}
				talkers[k.conn.LocalAddr().String()] = k
				talking.Go(func() { k.talk(stop, i%2 == 0) })
			}
			for g.info().GetTotals().GetBytesSent() < 8<<20 { // it is under load now
			}
			g.signal(signal)
			var closed []*pb.Event
			drain := until(t, stream, is(pb.EventType_EVENT_TYPE_DRAIN_STARTED))
			close(stop)
			var last *pb.Event
			for _, e := range remaining(t, stream) {
				if e.GetType() == pb.EventType_EVENT_TYPE_CLOSED {
					closed = append(closed, e)
				}
				last = e
			}
			talking.Wait()
			if code := g.exit(); code != 0 {
				t.Errorf("exit %d", code)
			}
			if drain.GetDrain().GetReason() != name || last.GetType() != pb.EventType_EVENT_TYPE_DRAIN_ENDED ||
				last.GetDrain().GetEndedByThemselves() != 4 || last.GetDrain().GetClosedAtDeadline() != 4 || len(closed) != 8 {
				t.Errorf("%v … %d closed … %v", drain, len(closed), last)
			}
			for _, e := range closed {
				c, k := e.GetConnection(), talkers[e.GetConnection().GetRemoteAddress()]
				lost := e.GetClosed().GetDiscardedBytes() + e.GetClosed().GetUnsentBytes()
				polite := e.GetClosed().GetReason() == pb.CloseReason_CLOSE_REASON_PEER_CLOSED
				if k.broken != nil || uint64(k.received) != c.GetBytesSent() || polite && k.received != k.sent ||
					!polite && c.GetBytesReceived() != c.GetBytesSent()+lost {
					t.Errorf("sent %d, got back %d, %v: %v", k.sent, k.received, k.broken, e)
				}
			}
		})
	}
}

// TestSecondSignal checks that a second signal ends the process at once, with 1.
func TestSecondSignal(t *testing.T) {
	t.Parallel()
	g := spawn(t, "", "--drain-timeout", "1h")
	conn := g.dial()
	echo(t, conn, "hi")
	stream := g.follow(&pb.StreamEventsRequest{})
	g.signal(os.Interrupt)
	until(t, stream, is(pb.EventType_EVENT_TYPE_LISTENER_CLOSED))
	echo(t, conn, "still here")
	g.signal(syscall.SIGTERM)
	if code := g.exit(); code != 1 {
		t.Errorf("exit %d", code)
	}
}

// TestShutdown checks that the RPC ends the process with 0, and streams with OK.
func TestShutdown(t *testing.T) {
	t.Parallel()
	g := spawn(t, "")
	conn := g.dial()
	echo(t, conn, "hi")
	stream := g.follow(&pb.StreamEventsRequest{})
	r, err := g.client.Shutdown(patiently(t), &pb.ShutdownRequest{Reason: "test", Farewell: []byte("bye")})
	check(t, err)
	if r.GetJoined() || r.GetConnections() != 1 {
		t.Error(r)
	}
	expectRead(t, conn, "bye")
	check(t, conn.Close())
	events := remaining(t, stream)
	if last := events[len(events)-1]; last.GetType() != pb.EventType_EVENT_TYPE_DRAIN_ENDED ||
		last.GetDrain().GetReason() != "test" {
		t.Error(events)
	}
	if code := g.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
}
