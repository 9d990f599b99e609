package natsbus_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/natsbus"
)

// TestServerKilled checks that a bus outlives its server. It logs the reason once, reconnects by itself, and its
// subscriptions hold.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	server, log := startNATS(t, ""), newJournal()
	a, b := external(t, "a", server.URL(), log.logger()), external(t, "b", server.URL(), nil)
	inbox := subscribe(t, b, "kept")
	fleettest.Settle(t, a, b)
	server.Stop()
	fleettest.AwaitStatus(t, b, false)
	if s := fleettest.AwaitStatus(t, a, false); s.Problem == "" || s.Mode != "external" {
		t.Errorf("%+v", s)
	}
	awaitProblem(t, a, "refused")
	server.Start()
	fleettest.AwaitStatus(t, a, true)
	fleettest.AwaitStatus(t, b, true)
	fleettest.Settle(t, a, b)
	check(t, a.Publish("kept", []byte("x")))
	inbox.Await(t, 1)
	log.await(t, "connected to NATS")
	lost, failed := log.count("connection to NATS lost"), log.count("cannot connect to NATS")
	if lost != 1 || failed != 1 || log.count("connected to NATS") != 2 {
		t.Errorf("the log:\n%s", log.all())
	}
}

// TestServerComesLater checks that a bus opens at once and says so if its server is not there yet, and connects when it
// is. Earlier subscriptions hold.
func TestServerComesLater(t *testing.T) {
	t.Parallel()
	server := startNATS(t, "")
	server.Stop()
	a, b := external(t, "a", server.URL(), nil), external(t, "b", server.URL(), nil)
	inbox := subscribe(t, b, "early")
	if err := a.Publish("early", nil); err == nil || !strings.Contains(err.Error(), "no connection to NATS") {
		t.Errorf("publishing without a server: %v", err)
	}
	awaitProblem(t, a, "refused")
	server.Start()
	fleettest.Settle(t, a, b)
	check(t, a.Publish("early", []byte("x")))
	if got := inbox.Await(t, 1); string(got[0].Data) != "x" {
		t.Errorf("%q", got)
	}
}

// TestServerStopped checks that a server whose process is stopped holds up no caller. Publish returns, with an error
// once no space is left. The bus reports that there is no connection. Messages that waited are not sent when the server
// goes on.
func TestServerStopped(t *testing.T) {
	t.Parallel()
	server, log := startNATS(t, ""), newJournal()
	a, b := external(t, "a", server.URL(), log.logger()), external(t, "b", server.URL(), nil)
	fleettest.Settle(t, a, b)
	server.Freeze(true)
	began := time.Now()
	data, refused, taken := make([]byte, 64<<10), false, 0
	for a.Status().Connected && !refused {
		if err := a.Publish("stopped", data); err != nil {
			refused = true
		} else if taken++; taken > 1<<20>>4 {
			t.Fatal("it takes 4 GiB for a server that stands still")
		}
	}
	if published := time.Since(began); published > 5*time.Second {
		t.Logf("publishing took %s", published)
	}
	end, err := a.Subscribe("while.stopped", deaf)
	check(t, err)
	end()
	s := fleettest.AwaitStatus(t, a, false)
	t.Logf("disconnected after %s: %s", time.Since(began).Round(100*time.Millisecond), s.Problem)
	fleettest.AwaitStatus(t, b, false)
	late := subscribe(t, b, "stopped")
	server.Freeze(false)
	fleettest.AwaitStatus(t, a, true)
	fleettest.Settle(t, a, b)
	check(t, a.Publish("stopped", []byte("new")))
	if got := late.Await(t, 1); string(got[0].Data) != "new" {
		t.Errorf("%d bytes came late", len(got[0].Data))
	}
	if log.count("messages to other nodes were not sent") != 1 {
		t.Errorf("the log:\n%s", log.all())
	}
}

// TestServerStandsStill checks that the bus notices a stopped server even if nothing is published.
func TestServerStandsStill(t *testing.T) {
	t.Parallel()
	server := startNATS(t, "")
	b := external(t, "b", server.URL(), nil)
	fleettest.AwaitStatus(t, b, true)
	server.Freeze(true)
	began := time.Now()
	s := fleettest.AwaitStatus(t, b, false)
	t.Logf("disconnected after %s: %s", time.Since(began).Round(100*time.Millisecond), s.Problem)
	if !strings.Contains(s.Problem, "has not answered for 6s") {
		t.Errorf("%+v", s)
	}
	server.Freeze(false)
	fleettest.AwaitStatus(t, b, true)
}

// TestPublishIsBounded checks that at most 8 MiB wait for a stopped server, that the next connection does not send
// them, and that their space is free then.
func TestPublishIsBounded(t *testing.T) {
	t.Parallel()
	f := newFake(t, false)
	b := external(t, "a", f.url(), nil)
	fleettest.AwaitStatus(t, b, true)
	data, taken := make([]byte, 512<<10), 0
	var err error
	for taken < 100 && err == nil { // the kernel takes some
		if err = b.Publish("x", data); err == nil {
			taken++
		}
	}
	if err == nil || !strings.Contains(err.Error(), "wait to be sent") || taken < 15 {
		t.Errorf("%d messages were taken: %v", taken, err)
	}
	fleettest.AwaitStatus(t, b, false)
	f.reads(true)
	fleettest.AwaitStatus(t, b, true)
	check(t, b.Publish("new", nil))
	if line := f.awaitLine(t, "PUB"); !strings.HasPrefix(line, "PUB new ") {
		t.Errorf("%q was for the connection before", line)
	}
	for range 15 {
		check(t, b.Publish("x", data))
	}
}

// TestStrangeError checks that a bus reconnects when a server sends an error that ends the library's connection for
// good.
func TestStrangeError(t *testing.T) {
	t.Parallel()
	f := newFake(t, true)
	b := external(t, "a", f.url(), nil)
	if _, err := b.Subscribe("kept.*", deaf); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f.awaitLine(t, "SUB kept.* ")
		f.say("-ERR 'Something That Nobody Knows'\r\n")
	}
	f.awaitLine(t, "SUB kept.* ")
	fleettest.AwaitStatus(t, b, true)
	if err := b.Publish("x", make([]byte, 2<<20)); err == nil || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("more than the server takes: %v", err)
	}
}

// TestNamedServersOnly checks that a user and password go to the named servers only, and to no server that these tell
// of.
func TestNamedServersOnly(t *testing.T) {
	t.Parallel()
	named, other := newFake(t, true), newFake(t, true)
	named.tells(`,"connect_urls":["` + other.listener.Addr().String() + `"]`)
	p := newProxy(t, named.listener.Addr().String())
	b := external(t, "a", "nats://user:secret@"+p.address, nil)
	fleettest.AwaitStatus(t, b, true)
	p.connect(false)
	awaitProblem(t, b, "refused")
	p.connect(true)
	fleettest.AwaitStatus(t, b, true)
	if n := other.connections(); n > 0 {
		t.Errorf("a server that was not named has had %d connections", n)
	}
}

// fake is a NATS server whose answers a test decides.
type fake struct {
	listener net.Listener
	lines    chan string
	running  sync.WaitGroup

	mu      sync.Mutex
	reading bool   // whether it reads after the handshake
	more    string // appended to its INFO
	conn    net.Conn
	conns   []net.Conn
}

func newFake(t testing.TB, reading bool) *fake {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	f := &fake{listener: l, lines: make(chan string, 1000), reading: reading}
	f.running.Go(f.serve)
	t.Cleanup(func() {
		_ = l.Close()
		f.mu.Lock()
		for _, c := range f.conns {
			_ = c.Close()
		}
		f.mu.Unlock()
		f.running.Wait()
	})
	return f
}

func (f *fake) url() string { return "nats://" + f.listener.Addr().String() }

// reads sets whether the server reads the bytes of later connections.
func (f *fake) reads(reading bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reading = reading
}

// tells sets a text that is added to the INFO of later connections.
func (f *fake) tells(more string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.more = more
}

// connections returns how many connections there have been.
func (f *fake) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

func (f *fake) serve() {
	for {
		conn, err := f.listener.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.conn, f.conns = conn, append(f.conns, conn)
		reading, more := f.reading, f.more
		f.mu.Unlock()
		f.running.Go(func() { f.talk(conn, more, reading) })
	}
}

func (f *fake) talk(conn net.Conn, more string, reading bool) {
	const info = `INFO {"server_id":"fake","version":"2.15.2","proto":1,"headers":true,"max_payload":1048576%s}` + "\r\n"
	fmt.Fprintf(conn, info, more)
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return
		}
		if strings.HasPrefix(line, "PING") {
			fmt.Fprint(conn, "PONG\r\n")
			if !reading {
				return // the connection stays open
			}
		} else if strings.HasPrefix(line, "SUB ") || strings.HasPrefix(line, "PUB ") {
			f.lines <- line
		}
	}
}

func (f *fake) say(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Fprint(f.conn, text)
}

// awaitLine waits until a client has sent a SUB or PUB line that begins with a text, and returns it.
func (f *fake) awaitLine(t testing.TB, text string) string {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case line := <-f.lines:
			if strings.HasPrefix(line, text) {
				return line
			}
		case <-timeout:
			t.Fatalf("no client has sent %q", text)
		}
	}
}

// TestProblems checks that a bus says in words why it is not connected, and that it logs each reason once.
func TestProblems(t *testing.T) {
	t.Parallel()
	server := startNATS(t, "authorization { user: node, password: right }")
	closed := startNATS(t, "")
	closed.Stop()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { _ = silent.Close() })
	for name, c := range map[string]struct{ url, want string }{
		"password": {"nats://node:wrong@" + server.Address, "refuses the user"},
		"no user":  {server.URL(), "refuses the user"},
		"refused":  {closed.URL(), "refused"},
		"no TLS":   {"tls://node:right@" + server.Address, "does not speak TLS"},
		"name":     {"nats://no-such-host.invalid:4222", "no-such-host.invalid"},
		"silent":   {"nats://" + silent.Addr().String(), "in time"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := newJournal()
			b := external(t, "a", c.url, log.logger())
			awaitProblem(t, b, c.want)
			log.await(t, c.want)
			if log.count("cannot connect to NATS") != 1 ||
				strings.Contains(log.all(), "wrong") || strings.Contains(b.Status().Problem, "wrong") {
				t.Errorf("the log:\n%s", log.all())
			}
		})
	}
}

// TestUserRefusedLater checks that a bus reports a server that refuses a user that it admitted before. The bus goes on
// trying, because the server's accounts may have had a mistake.
func TestUserRefusedLater(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "nats.conf")
	accounts := func(password string) {
		check(t, os.WriteFile(file, []byte("authorization { user: node, password: "+password+" }"), 0o600))
	}
	accounts("right")
	server := fleettest.StartNATSFile(t, file)
	b := external(t, "a", "nats://node:right@"+server.Address, nil)
	fleettest.AwaitStatus(t, b, true)
	for _, password := range []string{"changed", "right"} {
		server.Stop()
		accounts(password)
		server.Start()
		if password == "changed" {
			awaitProblem(t, b, "refuses the user")
		}
	}
	fleettest.AwaitStatus(t, b, true)
}

// TestReasonOnce checks that a reason is logged once, not at each attempt.
func TestReasonOnce(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close()
	log := newJournal()
	b := external(t, "a", "nats://"+l.Addr().String(), log.logger())
	for range 4 {
		conn, err := l.Accept()
		check(t, err)
		check(t, conn.Close())
	}
	awaitProblem(t, b, "closed the connection")
	if n := log.count("cannot connect to NATS"); n != 1 {
		t.Errorf("%d lines after four attempts:\n%s", n, log.all())
	}
}

// TestSlowSubscription checks that messages beyond the limit of a slow subscription are dropped, and that the log says
// so.
func TestSlowSubscription(t *testing.T) {
	t.Parallel()
	server, log := startNATS(t, ""), newJournal()
	a, b := external(t, "a", server.URL(), nil), external(t, "b", server.URL(), log.logger())
	stalled, slow := make(chan struct{}), fleettest.NewInbox()
	end, err := b.Subscribe("slow", func(subject string, data []byte) {
		<-stalled
		slow.Deliver(subject, data[:1])
	})
	check(t, err)
	defer end()
	other := subscribe(t, b, "other")
	fleettest.Settle(t, a, b)
	data := make([]byte, 1<<20)
	for n := range 80 {
		check(t, a.Publish("slow", data))
		check(t, a.Publish("other", []byte{byte(n)}))
		other.Await(t, n+1) // the slow one's message has come by now too
	}
	log.await(t, "messages of other nodes come faster than they are taken")
	close(stalled)
	check(t, a.Publish("other", nil))
	other.Await(t, 81)
	if n := len(slow.Await(t, 63)); n > 70 {
		t.Errorf("%d of 80 MiB were kept", n)
	}
}

// TestBadConfigurations checks that Open refuses each wrong configuration with a sentence that says what is wrong.
func TestBadConfigurations(t *testing.T) {
	t.Parallel()
	one := &natsbus.External{URLs: []string{"nats://127.0.0.1:4222"}}
	for want, c := range map[string]natsbus.Config{
		"Node":             {Fleet: "f", External: one},
		`Fleet "f.g"`:      {Node: "a", Fleet: "f.g", External: one},
		"either":           {Node: "a", Fleet: "f"},
		"at least one URL": {Node: "a", Fleet: "f", External: &natsbus.External{}},
		"nats://host:port": {Node: "a", Fleet: "f", External: &natsbus.External{URLs: []string{"http://127.0.0.1"}}},
		"credentials file /nowhere": {Node: "a", Fleet: "f",
			External: &natsbus.External{URLs: one.URLs, CredentialsFile: "/nowhere"}},
		"expected host:port": {Node: "a", Fleet: "f", Embedded: &natsbus.Embedded{Listen: "127.0.0.1"}},
		"host and port of another": {Node: "a", Fleet: "f",
			Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", Join: []string{":6222"}}},
	} {
		if b, err := natsbus.Open(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v; expected %q", c, err, want)
			if b != nil {
				b.Close()
			}
		}
	}
}
