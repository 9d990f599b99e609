package transport_test

import (
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/gateway/internal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engines are what the conformance suite runs on.
var engines = []struct {
	name string
	make func() transport.Engine
}{
	{"net", transport.NewNet},
}

// safety ends a test that waits for something that never comes.
const safety = time.Minute

// recorder is an endpoint that notes what it is called with.
type recorder struct {
	socket transport.Socket
	onData func(p []byte) // called from Received
	onOpen func()

	running atomic.Int32 // calls of the loop that are under way
	writing atomic.Int32 // NextWrite without its Wrote
	overlap atomic.Bool

	mu       sync.Mutex
	changed  chan struct{} // closed at the next change
	calls    []string      // of the loop, with repeated Received only once
	received []byte
	out      []byte
	deadline time.Time
	wrote    int
	writeErr error
	atError  int // bytes taken by the write that failed
	flushing bool
	readErr  error
}

func newRecorder() *recorder {
	return &recorder{changed: make(chan struct{}), deadline: time.Now().Add(safety)}
}

func (r *recorder) call(name string, note func()) {
	if r.running.Add(1) != 1 {
		r.overlap.Store(true)
	}
	defer r.running.Add(-1)
	r.note(func() {
		if n := len(r.calls); n == 0 || r.calls[n-1] != name || name != "Received" {
			r.calls = append(r.calls, name)
		}
		if note != nil {
			note()
		}
	})
}

func (r *recorder) note(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

// await waits until a condition, which is asked with mu held.
func (r *recorder) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	timer := time.NewTimer(safety)
	defer timer.Stop()
	for {
		r.mu.Lock()
		done, changed := ok(), r.changed
		r.mu.Unlock()
		if done {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func (r *recorder) awaitCall(t *testing.T, name string) {
	t.Helper()
	r.await(t, name, func() bool { return len(r.calls) > 0 && r.calls[len(r.calls)-1] == name })
}

func (r *recorder) Opened() {
	r.call("Opened", nil)
	if r.onOpen != nil {
		r.onOpen()
	}
}

func (r *recorder) Received(p []byte) {
	r.call("Received", func() { r.received = append(r.received, p...) })
	if r.onData != nil {
		r.onData(p)
	}
}

func (r *recorder) Ended()           { r.call("Ended", nil) }
func (r *recorder) Failed(err error) { r.call("Failed", func() { r.readErr = err }) }
func (r *recorder) Closed() {
	if r.writing.Load() != 0 {
		r.overlap.Store(true)
	}
	r.call("Closed", nil)
}

// send queues p as the server does: what the kernel takes at once, and the rest by a flush.
func (r *recorder) send(p []byte) {
	r.note(func() {
		r.out = append(r.out, p...)
		if !r.flushing {
			r.flushing = r.socket.Flush()
		}
	})
}

func (r *recorder) NextWrite() ([]byte, time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.out) == 0 || r.writeErr != nil {
		r.flushing = false
		close(r.changed)
		r.changed = make(chan struct{})
		return nil, time.Time{}
	}
	if r.writing.Add(1) != 1 {
		r.overlap.Store(true)
	}
	return r.out[:min(len(r.out), 64<<10)], r.deadline
}

func (r *recorder) Wrote(n int, err error) {
	r.note(func() {
		r.writing.Add(-1)
		r.out = r.out[n:]
		r.wrote += n
		r.atError, r.writeErr = n, err
	})
}

// networks are the kinds of connections that an engine is given.
var networks = []string{"tcp", "unix", "pipe"}

// pair returns both ends of a connection.
func pair(t *testing.T, network string) (local, peer net.Conn) {
	t.Helper()
	if network == "pipe" {
		local, peer = net.Pipe()
	} else {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = filepath.Join(t.TempDir(), "s")
		}
		ln, err := net.Listen(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		if peer, err = net.Dial(network, ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
		if local, err = ln.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { peer.Close() })
	if err := peer.SetDeadline(time.Now().Add(safety)); err != nil {
		t.Fatal(err)
	}
	return local, peer
}

// open starts a socket on one end and returns the other.
func open(t *testing.T, e transport.Engine, network string) (*recorder, net.Conn) {
	t.Helper()
	local, peer := pair(t, network)
	r := newRecorder()
	var err error
	if r.socket, err = e.Attach(local); err != nil {
		t.Fatal(err)
	}
	r.socket.Start(r)
	t.Cleanup(func() {
		r.socket.Close(false)
		e.Wait()
		if r.overlap.Load() {
			t.Error("calls overlapped")
		}
	})
	r.awaitCall(t, "Opened")
	return r, peer
}

// each runs a test on every engine and kind of connection.
func each(t *testing.T, networks []string, test func(t *testing.T, e transport.Engine, network string)) {
	for _, e := range engines {
		for _, network := range networks {
			t.Run(e.name+"/"+network, func(t *testing.T) { test(t, e.make(), network) })
		}
	}
}
