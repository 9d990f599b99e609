package natsbus_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/natsbus"
)

// patience is how long a test waits before it fails. No passing test waits that long.
const patience = 30 * time.Second

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open opens a bus that is closed when the test ends.
func open(t testing.TB, c natsbus.Config) *natsbus.Bus {
	t.Helper()
	if c.Node == "" {
		c.Node = "a"
	}
	if c.Fleet == "" {
		c.Fleet = "test"
	}
	b, err := natsbus.Open(c)
	check(t, err)
	t.Cleanup(b.Close)
	return b
}

// external opens a bus to a server elsewhere.
func external(t testing.TB, node, url string, log hclog.Logger) *natsbus.Bus {
	t.Helper()
	return open(t, natsbus.Config{Node: node, External: &natsbus.External{URLs: []string{url}}, Logger: log})
}

// embedded opens a bus with a server of its own on a free port of 127.0.0.1.
func embedded(t testing.TB, node string, join ...string) *natsbus.Bus {
	t.Helper()
	return open(t, natsbus.Config{Node: node, Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", Join: join}})
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newJournal() *journal { return &journal{more: make(chan struct{})} }

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	close(j.more)
	j.more = make(chan struct{})
	return j.text.Write(p)
}

func (j *journal) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: j, Level: hclog.Debug})
}

func (j *journal) all() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// count returns how many lines contain a text.
func (j *journal) count(text string) (n int) {
	for line := range strings.Lines(j.all()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// await waits until the log contains a text.
func (j *journal) await(t testing.TB, text string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		j.mu.Lock()
		found, more := strings.Contains(j.text.String(), text), j.more
		j.mu.Unlock()
		if found {
			return
		}
		select {
		case <-more:
		case <-timeout:
			t.Fatalf("the log has no line with %q:\n%s", text, j.all())
		}
	}
}

// awaitProblem waits until a bus is not connected for a reason that contains a text.
func awaitProblem(t testing.TB, b bus.Bus, text string) {
	t.Helper()
	timeout := time.After(patience)
	for {
		changed := b.Changed()
		if s := b.Status(); !s.Connected && strings.Contains(s.Problem, text) {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			t.Fatalf("the status is %+v; expected a problem with %q", b.Status(), text)
		}
	}
}

// startNATS starts a server on a free port. Its configuration is given without the address.
func startNATS(t testing.TB, config string) *fleettest.NATSServer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "nats.conf")
	check(t, os.WriteFile(file, []byte(config), 0o600))
	return fleettest.StartNATSFile(t, file)
}

// proxy passes connections on to a server, and can cut them off.
type proxy struct {
	t       testing.TB
	to      string
	address string
	running sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
}

func newProxy(t testing.TB, to string) *proxy {
	p := &proxy{t: t, to: to, address: "127.0.0.1:0", conns: make(map[net.Conn]bool)}
	p.connect(true)
	t.Cleanup(func() {
		p.connect(false)
		p.running.Wait()
	})
	return p
}

// connect opens the proxy, or closes it with all its connections.
func (p *proxy) connect(connected bool) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !connected {
		if p.listener != nil {
			_ = p.listener.Close()
		}
		p.listener = nil
		for c := range p.conns {
			_ = c.Close()
		}
		clear(p.conns)
		return
	}
	var err error
	p.listener, err = net.Listen("tcp", p.address)
	check(p.t, err)
	p.address = p.listener.Addr().String()
	l := p.listener
	p.running.Go(func() { p.serve(l) })
}

func (p *proxy) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		back, err := net.Dial("tcp", p.to)
		p.mu.Lock()
		if err != nil || p.listener != l {
			_ = conn.Close()
			if back != nil {
				_ = back.Close()
			}
			p.mu.Unlock()
			continue
		}
		p.conns[conn], p.conns[back] = true, true
		p.mu.Unlock()
		p.running.Go(func() { pass(conn, back) })
		p.running.Go(func() { pass(back, conn) })
	}
}

// pass copies until either end is closed, and closes both.
func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
	_ = from.Close()
}

// deaf ignores messages.
func deaf(string, []byte) {}

var _ bus.Bus = (*natsbus.Bus)(nil)

// subscribe makes a subscription that fills an inbox.
func subscribe(t testing.TB, b bus.Bus, subject string) *fleettest.Inbox {
	t.Helper()
	inbox := fleettest.NewInbox()
	end, err := b.Subscribe(subject, inbox.Deliver)
	check(t, err)
	t.Cleanup(end)
	return inbox
}

// again repeats so until it returns true.
func again(t testing.TB, so func() bool) {
	t.Helper()
	timeout, tick := time.After(patience), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("it is never so")
		}
	}
}
