package transport_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// echoHighWater is how many bytes an echoer queues before it pauses.
const echoHighWater = 64 << 10

// echoes is an admission whose connections echo.
type echoes struct{ closed sync.WaitGroup }

func newEchoes() *echoes { return &echoes{} }

func (a *echoes) AcceptFailed(error) time.Duration { return time.Millisecond }

func (a *echoes) Admit(s transport.Socket, _, _ netip.AddrPort) transport.Endpoint {
	a.closed.Add(1)
	return &echoer{socket: s, closed: &a.closed}
}

// echoer sends back the bytes that it receives, with back-pressure, as the server's echo handler does.
type echoer struct {
	socket transport.Socket
	closed *sync.WaitGroup
	stays  bool // it finishes its side and does not close

	mu       sync.Mutex
	queue    []byte
	flushing bool
	paused   bool
	ended    bool // the peer has finished
}

func (e *echoer) Opened()      {}
func (e *echoer) Failed(error) { e.socket.Close(false) }
func (e *echoer) Closed()      { e.closed.Done() }

func (e *echoer) Received(p []byte, _ transport.Moment) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) == 0 && !e.flushing {
		n, err := e.socket.TryWrite(p)
		if err != nil {
			e.socket.Close(true)
			return
		}
		p = p[n:]
	}
	if len(p) == 0 {
		return
	}
	e.queue = append(e.queue, p...)
	if !e.paused && len(e.queue) > echoHighWater {
		e.paused = true
		e.socket.Pause()
	}
	if !e.flushing {
		e.flushing = e.socket.Flush()
	}
}

func (e *echoer) Ended() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	e.finish()
}

// finish ends the connection, or its side of it, when everything is echoed. The caller holds mu.
func (e *echoer) finish() {
	switch {
	case !e.ended || len(e.queue) > 0:
	case !e.stays:
		e.socket.Close(false)
	case e.socket.CloseWrite() != nil:
		e.socket.Close(true)
	}
}

func (e *echoer) NextWrite() ([]byte, transport.Moment) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.flushing = len(e.queue) > 0
	return e.queue[:min(len(e.queue), 10_000)], in(safety)
}

func (e *echoer) Wrote(n int, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.queue = e.queue[n:]; len(e.queue) == 0 {
		e.queue = nil
	}
	if e.paused && len(e.queue) == 0 {
		e.paused = false
		e.socket.Resume()
	}
	if err != nil {
		e.queue = nil
		e.socket.Close(true)
		return
	}
	e.finish()
}

// 64 MiB come back as they were sent, although both sides stop reading now and then. The peer's end is echoed too.
func TestEcho(t *testing.T) {
	const total = 64 << 20
	each(t, []string{"tcp"}, func(t *testing.T, e transport.Engine, network string) {
		ln, dial := listen(t, network)
		echoes := newEchoes()
		a, err := e.Accept(ln, echoes)
		if err != nil {
			t.Fatal(err)
		}
		c, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(safety)); err != nil {
			t.Fatal(err)
		}
		block := make([]byte, 1<<20+13)
		for i := range block {
			block[i] = byte(rand.Uint32())
		}
		var sending sync.WaitGroup
		sending.Go(func() { sendAll(t, c, block, total) })
		readAll(t, c, block, total)
		sending.Wait()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		e.Wait()
		echoes.closed.Wait()
	})
}

// sendAll writes total bytes of a repeated block, in pieces of any size, and finishes.
func sendAll(t *testing.T, c net.Conn, block []byte, total int) {
	for sent := 0; sent < total; {
		from := sent % len(block)
		piece := block[from:min(len(block), from+1+rand.IntN(100_000), from+total-sent)]
		n, err := c.Write(piece)
		if err != nil {
			t.Errorf("after %d bytes: %v", sent, err)
			return
		}
		sent += n
	}
	if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Error(err)
	}
}

// readAll checks the bytes that sendAll sent, and their end.
func readAll(t *testing.T, c net.Conn, block []byte, total int) {
	buffer := make([]byte, 100_000)
	read := 0
	for {
		n, err := c.Read(buffer)
		for got := buffer[:n]; len(got) > 0; {
			want := block[read%len(block):]
			m := min(len(got), len(want))
			if !bytes.Equal(got[:m], want[:m]) {
				t.Errorf("after %d bytes comes something else than was sent", read)
				return
			}
			got, read = got[m:], read+m
		}
		if err != nil {
			if err != io.EOF || read != total {
				t.Errorf("the echo ended after %d bytes of %d with %v", read, total, err)
			}
			return
		}
	}
}
