package natsbus_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats.go"

	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
	"github.com/sockgate/sockgate/gateway/internal/authority"
	"github.com/sockgate/sockgate/gateway/natsbus"
)

// TestEmbeddedAdmitsNobody checks that another program cannot use the embedded server's password, because the only user
// must be in the process. The server listens for clients on loopback only.
func TestEmbeddedAdmitsNobody(t *testing.T) {
	t.Parallel()
	const password = "known to everybody"
	s, err := natsbus.StartServer(natsbus.Config{Node: "a", Fleet: "test",
		Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0"}, Logger: hclog.NewNullLogger()}, password)
	check(t, err)
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	address := s.Addr().String()
	if host, _, _ := net.SplitHostPort(address); host != "127.0.0.1" {
		t.Errorf("it listens for clients on %s", address)
	}
	escaped := strings.ReplaceAll(password, " ", "%20")
	for _, url := range []string{"nats://" + address, "nats://a:" + escaped + "@" + address} {
		if conn, err := nats.Connect(url); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("a client from outside: %v", err)
			if conn != nil {
				conn.Close()
			}
		}
	}
	if conn, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo("a", "something else")); err == nil {
		conn.Close()
		t.Error("a wrong password is accepted")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo("a", password))
	check(t, err)
	conn.Close()
	if s.MonitorAddr() != nil || s.JetStreamEnabled() || s.SystemAccount() != nil {
		t.Error("it has more than the bus needs")
	}
}

// TestEmbeddedAddressInUse checks that Open refuses an address that it cannot listen on, with a sentence, and leaves
// nothing running.
func TestEmbeddedAddressInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer taken.Close()
	for _, address := range []string{taken.Addr().String(), "192.0.2.1:0"} {
		b, err := natsbus.Open(natsbus.Config{Node: "a", Fleet: "test", Embedded: &natsbus.Embedded{Listen: address}})
		if err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(address, "0")) ||
			!strings.Contains(err.Error(), "bind") {
			t.Errorf("%s: %v", address, err)
		}
		if b != nil {
			b.Close()
		}
	}
}

// TestEmbeddedJoinsItself checks that a node's own address in Join does no harm, and that two nodes of one name are
// both there: noticing them is the fleet's task.
func TestEmbeddedJoinsItself(t *testing.T) {
	t.Parallel()
	seed := free(t, "127.0.0.9")
	a := open(t, natsbus.Config{Node: "a", Embedded: &natsbus.Embedded{Listen: seed, Join: []string{seed}}})
	b := open(t, natsbus.Config{Node: "a", Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", Join: []string{seed}}})
	fleettest.Settle(t, a, b)
	fleettest.Settle(t, b, a)
	inbox := subscribe(t, b, "once")
	fleettest.Settle(t, a, b)
	check(t, a.Publish("once", nil))
	fleettest.Settle(t, a, b)
	if n := len(inbox.All()); n != 1 {
		t.Errorf("a message came %d times", n)
	}
}

// free returns an address that was free a moment ago.
func free(t testing.TB, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	check(t, err)
	defer l.Close()
	return l.Addr().String()
}

// TestEmbeddedFindsAgain checks that a node looks for ever for the nodes that others told it of. It finds one that
// comes back after a while and joins no node itself.
func TestEmbeddedFindsAgain(t *testing.T) {
	t.Parallel()
	log := newJournal()
	a := embedded(t, "a")
	b := open(t, natsbus.Config{Node: "b", Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", Join: []string{a.Address()}},
		Logger: hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Trace})})
	fleettest.Settle(t, a, b) // a tells the earlier node of the later one, and only the node that was told looks again
	address := free(t, "127.0.0.1")
	c, err := natsbus.Open(natsbus.Config{Node: "c", Fleet: "test",
		Embedded: &natsbus.Embedded{Listen: address, Join: []string{a.Address()}}})
	check(t, err)
	fleettest.Settle(t, b, c)
	fleettest.Settle(t, c, b)
	fleettest.Settle(t, a, c)
	c.Close()
	log.await(t, "connect to route (attempt 3)")
	c = open(t, natsbus.Config{Node: "c", Embedded: &natsbus.Embedded{Listen: address}})
	fleettest.Settle(t, b, c)
	fleettest.Settle(t, c, b)
}

// TestEmbeddedFindsJoinAgain holds that a node looks for ever for the nodes in Join, also when the other node found
// this one first: the other may come back and join none. Its connection may be the only one, or this node may have
// found the other meanwhile, and closed its own connection as one too many.
func TestEmbeddedFindsJoinAgain(t *testing.T) {
	t.Parallel()
	for name, both := range map[string]bool{"other first": false, "other first, then this": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findJoinAgain(t, both)
		})
	}
}

// findJoinAgain has a node b find a node a that looks for it in vain, and with both has a reach b then. b ends, and
// comes back at its address without a Join.
func findJoinAgain(t *testing.T, both bool) {
	address, log := free(t, "127.0.0.1"), newJournal()
	way := newProxy(t, address) // from a to b
	way.connect(false)
	a := open(t, natsbus.Config{Node: "a", Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", Join: []string{way.address}},
		Logger: hclog.New(&hclog.LoggerOptions{Output: log, Level: hclog.Trace})})
	b, err := natsbus.Open(natsbus.Config{Node: "b", Fleet: "test",
		Embedded: &natsbus.Embedded{Listen: address, Join: []string{a.Address()}}})
	check(t, err)
	fleettest.Settle(t, a, b)
	if both {
		way.connect(true)
		log.await(t, "closing extra connection")
	}
	b.Close()
	if !both {
		way.connect(true)
	}
	b = open(t, natsbus.Config{Node: "b", Embedded: &natsbus.Embedded{Listen: address}})
	fleettest.Settle(t, a, b)
	fleettest.Settle(t, b, a)
}

// TestEmbeddedSeveralAddresses holds that nodes on a machine with several addresses find each other through a third
// one. A connection there comes from another address than the one that its node listens on.
func TestEmbeddedSeveralAddresses(t *testing.T) {
	t.Parallel()
	on := func(node, address string, join ...string) *natsbus.Bus {
		return open(t, natsbus.Config{Node: node, Embedded: &natsbus.Embedded{Listen: address, Join: join}})
	}
	a := on("a", "127.0.0.2:0")
	b, c := on("b", "127.0.0.3:0", a.Address()), on("c", "127.0.0.4:0", a.Address())
	fleettest.Settle(t, b, c)
	fleettest.Settle(t, c, b)
}

// TestEmbeddedSaysGoodbye checks that a message that is published right before Close still reaches the others.
func TestEmbeddedSaysGoodbye(t *testing.T) {
	t.Parallel()
	a := embedded(t, "a")
	inbox := subscribe(t, a, "goodbye")
	for n := range 20 {
		b, err := natsbus.Open(natsbus.Config{Node: "b", Fleet: "test",
			Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", Join: []string{a.Address()}}})
		check(t, err)
		fleettest.Settle(t, b, a)
		check(t, b.Publish("goodbye", bytes.Repeat([]byte("x"), 100<<10)))
		b.Close()
		inbox.Await(t, n+1)
		if err := b.Publish("goodbye", nil); err == nil {
			t.Error("a closed bus takes messages")
		}
		if _, err := b.Subscribe("goodbye", deaf); err == nil {
			t.Error("a closed bus takes subscriptions")
		}
	}
}

// TestEmbeddedOtherFleet checks that nodes of different fleets do not connect, and that the log says so.
func TestEmbeddedOtherFleet(t *testing.T) {
	t.Parallel()
	log := newJournal()
	a := open(t, natsbus.Config{Node: "a", Fleet: "one", Logger: log.logger(),
		Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0"}})
	b := open(t, natsbus.Config{Node: "b", Fleet: "two",
		Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", Join: []string{a.Address()}}})
	inbox := subscribe(t, a, "x")
	log.await(t, "cluster name")
	fleettest.AwaitStatus(t, b, true)
	check(t, b.Publish("x", nil))
	c := open(t, natsbus.Config{Node: "c", Fleet: "one",
		Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", Join: []string{a.Address()}}})
	fleettest.Settle(t, c, a)
	if len(inbox.All()) > 0 {
		t.Error("a node of another fleet is heard")
	}
}

// TestEmbeddedStalledNode checks that a node that takes no bytes is disconnected, whether much is published or nothing,
// and that it holds up no other node meanwhile.
func TestEmbeddedStalledNode(t *testing.T) {
	t.Parallel()
	for name, messages := range map[string]int{"idle": 0, "busy": 200} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stallNode(t, messages)
		})
	}
}

// stallNode stalls a node while another one publishes a number of messages of 256 KiB each.
func stallNode(t *testing.T, messages int) {
	a := embedded(t, "a")
	trap, err := net.Listen("tcp", "127.0.0.1:0") // between a and b; after close(stall) it reads nothing more from a
	check(t, err)
	defer trap.Close()
	b := embedded(t, "b", trap.Addr().String())
	c := embedded(t, "c", a.Address())
	fromB, err := trap.Accept()
	check(t, err)
	defer fromB.Close()
	toA, err := net.Dial("tcp", a.Address())
	check(t, err)
	defer toA.Close()
	passed := make(chan struct{})
	go func() { defer close(passed); pass(toA, fromB) }()
	stall, stalled := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stalled)
		buffer := make([]byte, 64<<10)
		for {
			select {
			case <-stall:
				return
			default:
			}
			n, err := toA.Read(buffer)
			if err == nil {
				_, err = fromB.Write(buffer[:n])
			}
			if err != nil {
				return
			}
		}
	}()
	subscribe(t, b, "bulk")
	inbox := subscribe(t, c, "bulk")
	fleettest.Settle(t, a, b)
	fleettest.Settle(t, a, c)
	close(stall)
	data := make([]byte, 256<<10)
	for n := range messages { // b gets none of them
		check(t, a.Publish("bulk", data))
		inbox.Await(t, n+1)
	}
	<-stalled
	select {
	case <-passed: // a has closed the connection
	case <-time.After(patience):
		t.Error("a keeps a node that takes nothing")
		_, _ = toA.Close(), fromB.Close()
		<-passed
	}
}

// mutual returns the TLS configuration of a node that has a CA's certificate for some addresses.
func mutual(ca *authority.CA, addresses ...string) *tls.Config {
	node := ca.Peer(authority.CommonName("node"), authority.IP(addresses...))
	return &tls.Config{Certificates: []tls.Certificate{node.TLS()}, RootCAs: ca.Pool(), ClientCAs: ca.Pool(),
		ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13}
}

// TestEmbeddedTLS checks that nodes with certificates under one CA make a fleet, including nodes that only others told
// of. No other program gets in: not without TLS, not with another CA's certificate, not as a server whose certificate
// is for another address.
func TestEmbeddedTLS(t *testing.T) {
	t.Parallel()
	ca, other, log := authority.New("CA"), authority.New("CA"), newJournal()
	const local = "127.0.0.1"
	node := func(name string, c *tls.Config, join ...string) *natsbus.Bus {
		return open(t, natsbus.Config{Node: name, Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", Join: join, TLS: c}})
	}
	a := open(t, natsbus.Config{Node: "a", Logger: log.logger(),
		Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", TLS: mutual(ca, local)}})
	b, c := node("b", mutual(ca, local), a.Address()), node("c", mutual(ca, local), a.Address())
	fleettest.Settle(t, a, b)
	fleettest.Settle(t, b, c)
	fleettest.Settle(t, c, b)
	inbox := subscribe(t, a, "x")

	stranger := mutual(other, local)
	stranger.RootCAs = ca.Pool() // it trusts this fleet; the fleet does not trust it
	for want, intruder := range map[string]*natsbus.Bus{
		"unknown authority": node("intruder", stranger, a.Address()),
		"handshake":         node("plain", nil, a.Address()),
	} {
		log.await(t, want)
		fleettest.AwaitStatus(t, intruder, true)
		check(t, intruder.Publish("x", nil))
	}
	wrong := node("wrong", mutual(ca, "127.0.0.77"))
	said := newJournal()
	d := open(t, natsbus.Config{Node: "d", Logger: said.logger(), Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0",
		Join: []string{wrong.Address()}, TLS: mutual(ca, local)}})
	said.await(t, "127.0.0.77")
	fleettest.AwaitStatus(t, d, true)
	check(t, d.Publish("x", nil))
	fleettest.Settle(t, b, a)
	if len(inbox.All()) > 0 {
		t.Error("an intruder is heard")
	}
	_, err := natsbus.Open(natsbus.Config{Node: "a", Fleet: "f",
		Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", TLS: &tls.Config{}}})
	if err == nil || !strings.Contains(err.Error(), "check both ends") {
		t.Errorf("TLS that checks nobody: %v", err)
	}
}

// TestEmbeddedFlood holds that connections without a certificate give way to newer ones at once, beyond a number, and
// that a new node joins meanwhile.
func TestEmbeddedFlood(t *testing.T) {
	t.Parallel()
	const flood = 1500
	ca, log := authority.New("CA"), newJournal()
	a := open(t, natsbus.Config{Node: "a", Logger: log.logger(),
		Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0", TLS: mutual(ca, "127.0.0.1")}})
	ended := make(chan error, flood)
	for i := range flood {
		from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%100))}}
		conn, err := from.DialContext(t.Context(), "tcp", a.Address())
		check(t, err)
		t.Cleanup(func() { conn.Close() })
		check(t, conn.SetReadDeadline(time.Now().Add(4*time.Second))) // the server gives up after 5 s
		go func() {
			_, err := conn.Read(make([]byte, 1))
			ended <- err
		}()
	}
	b := open(t, natsbus.Config{Node: "b", Embedded: &natsbus.Embedded{Listen: "127.0.0.1:0",
		Join: []string{a.Address()}, TLS: mutual(ca, "127.0.0.1")}})
	fleettest.Settle(t, a, b)
	waited := 0
	for range flood {
		if err := <-ended; errors.Is(err, os.ErrDeadlineExceeded) {
			waited++
		}
	}
	if waited > natsbus.MaxUnproven {
		t.Errorf("%d of %d connections without a certificate stayed; expected at most %d", waited, flood, natsbus.MaxUnproven)
	}
	if log.count("gave way to newer ones") != 1 || log.count("Temporary Route Accept Error") != 0 {
		t.Errorf("the log:\n%s", log.all())
	}
}

// TestDelay checks that attempts are 1 s to 30 s apart, the first at most 2 s, and that the delays differ.
func TestDelay(t *testing.T) {
	t.Parallel()
	different := make(map[time.Duration]bool)
	for attempts := range 1000 {
		later, first := natsbus.Delay(attempts+1), natsbus.Delay(1)
		if later < time.Second || later > 30*time.Second || first > 2*time.Second {
			t.Fatalf("attempt %d after %s, the first after %s", attempts+1, later, first)
		}
		different[later] = true
	}
	if len(different) < 900 {
		t.Errorf("%d of 1000 are different", len(different))
	}
}
