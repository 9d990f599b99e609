package transport_test

import (
	"crypto/tls"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// engines lists the engines that the conformance suite runs on.
var engines = transport.Names

// clock is the clock of every engine.
var clock = transport.NewClock()

// safety ends a test that waits for something that never comes.
const safety = time.Minute

// recorder is an endpoint that records its calls.
type recorder struct {
	socket  transport.Socket
	remote  netip.AddrPort
	local   netip.AddrPort
	onOpen  func()
	onWrite func(n int64) // called from Wrote with the number of writes; set before the first flush
	writes  atomic.Int64

	running atomic.Int32 // calls of the loop that are under way
	writing atomic.Int32 // calls of NextWrite whose Wrote has not come
	overlap atomic.Bool

	mu       sync.Mutex
	changed  chan struct{}  // closed at the next change
	onData   func(p []byte) // called from Received
	calls    []string       // by the loop; successive calls of Received count as one
	received []byte
	out      []byte
	deadline transport.Moment
	wrote    int
	writeErr error
	atError  int // bytes taken by the write that failed
	flushing bool
	readErr  error
	state    tls.ConnectionState
}

func newRecorder() *recorder {
	return &recorder{changed: make(chan struct{}), deadline: in(safety)}
}

// in returns the moment d from now.
func in(d time.Duration) transport.Moment { return clock.Now() + transport.Moment(d) }

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

// await waits for a condition, which it checks with mu held.
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

func (r *recorder) Received(p []byte, _ transport.Moment) {
	var f func([]byte)
	r.call("Received", func() { r.received, f = append(r.received, p...), r.onData })
	if f != nil {
		f(p)
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

// send queues p. A flush writes it.
func (r *recorder) send(p []byte) {
	r.note(func() {
		r.out = append(r.out, p...)
		if !r.flushing {
			r.flushing = r.socket.Flush()
		}
	})
}

func (r *recorder) NextWrite() ([]byte, transport.Moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.out) == 0 || r.writeErr != nil {
		r.flushing = false
		close(r.changed)
		r.changed = make(chan struct{})
		return nil, 0
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
	if n := r.writes.Add(1); r.onWrite != nil {
		r.onWrite(n)
	}
}

// networks lists the kinds of connections that the suite runs on.
var networks = []string{"tcp", "unix", "pipe"}

// listen returns a listening socket of a network as each names it, and a function that connects to it.
func listen(t testing.TB, network string) (net.Listener, func() (net.Conn, error)) {
	t.Helper()
	network, version, secure := strings.Cut(network, "+")
	ln, dial := listenPlain(t, network)
	if !secure {
		return ln, dial
	}
	return ln, func() (net.Conn, error) { return dialTLS(dial, clientConfig(version)) }
}

// listenPlain is listen without TLS.
func listenPlain(t testing.TB, network string) (net.Listener, func() (net.Conn, error)) {
	t.Helper()
	if network == "pipe" {
		ln := &pipeListener{accept: make(chan net.Conn), closed: make(chan struct{})}
		return ln, ln.dial
	}
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	return ln, func() (net.Conn, error) { return net.Dial(network, ln.Addr().String()) }
}

// pipeListener accepts the ends of pipes, which are connections without a descriptor.
type pipeListener struct {
	accept chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) dial() (net.Conn, error) {
	local, peer := net.Pipe()
	l.accept <- local
	return peer, nil
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.accept:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	close(l.closed)
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Net: "pipe"} }

// hall is an admission that gives every connection a recorder.
type hall struct {
	prepare  func(*recorder) // called before the socket is opened; may be nil
	refuse   atomic.Bool     // whether connections are refused
	admitted chan *recorder  // has capacity for all
	failures chan error      // has capacity for all
	wait     time.Duration   // after an error
}

func newHall() *hall {
	return &hall{admitted: make(chan *recorder, 1<<16), failures: make(chan error, 1<<10)}
}

func (h *hall) Admit(s transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	if h.refuse.Load() {
		return nil
	}
	r := newRecorder()
	r.socket, r.remote, r.local = s, remote, local
	if h.prepare != nil {
		h.prepare(r)
	}
	h.admitted <- r
	return r
}

func (h *hall) AcceptFailed(err error) time.Duration {
	h.failures <- err
	return h.wait
}

// open accepts a connection on an engine and returns its two sides.
func open(t *testing.T, e transport.Engine, network string, prepare ...func(*recorder)) (*recorder, net.Conn) {
	t.Helper()
	ln, dial := listen(t, network)
	h := newHall()
	for _, p := range prepare {
		h.prepare = p
	}
	a, err := e.Accept(ln, h)
	if err != nil {
		t.Fatal(err)
	}
	peer, err := dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { peer.Close() })
	if err := peer.SetDeadline(time.Now().Add(safety)); err != nil && !isPipe(network) { // a pipe may be closed by now
		t.Fatal(err)
	}
	r := <-h.admitted
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.socket.Close(false)
		e.Wait()
		if r.overlap.Load() {
			t.Error("calls overlapped")
		}
	})
	r.await(t, "Opened", func() bool { return len(r.calls) > 0 })
	return r, peer
}

// each runs a test on every engine and kind of connection, plain and with TLS. With TLS, the network is "tcp+TLS 1.3",
// for example.
func each(t *testing.T, networks []string, test func(t *testing.T, e transport.Engine, network string)) {
	eachPlain(t, networks, test)
	for _, version := range tlsVersions {
		eachPlain(t, networks, func(t *testing.T, e transport.Engine, network string) {
			t.Run(version, func(t *testing.T) { test(t, secure(e), network+"+"+version) })
		})
	}
}

// eachPlain runs a test on every engine and kind of connection, without TLS.
func eachPlain(t *testing.T, networks []string, test func(t *testing.T, e transport.Engine, network string)) {
	for _, name := range engines {
		for _, network := range networks {
			if name == transport.Epoll && network == "pipe" {
				continue // it has no descriptor
			}
			t.Run(name+"/"+network, func(t *testing.T) { test(t, newEngine(t, name), network) })
		}
	}
}

func newEngine(t *testing.T, name string) transport.Engine {
	t.Helper()
	e, err := transport.New(name, clock, 0)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// isPipe reports whether a network, as each names it, is a pipe.
func isPipe(network string) bool { return strings.HasPrefix(network, "pipe") }
