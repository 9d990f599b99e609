package natsbus

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"sync"
	"time"
	"unsafe"

	"github.com/hashicorp/go-hclog"
	"github.com/nats-io/nats-server/v2/server"
)

const (
	// maxUnproven is the most connections to the cluster port that have not proven a certificate yet. Each holds about
	// 50 KB.
	maxUnproven = 512
	// serverVersion is the version of nats-server whose inside this file knows.
	serverVersion = "2.15.2"
	// acceptPause is how long the entrance waits when the process has no descriptor left.
	acceptPause = 50 * time.Millisecond
	// gossipDefault is the server's constant of this name.
	gossipDefault = byte(0)
)

// createRoute is a method of the server: it makes the connection of another node of an accepted one. It returns after
// the TLS handshake, with nil when that failed. The server has no option for another listener, and none that bounds the
// handshakes, and a relay before it would copy every byte.
//
// Hazard: its signature must be the server's. TestServersInside reads the server's source.
//
//go:linkname createRoute github.com/nats-io/nats-server/v2/server.(*Server).createRoute
func createRoute(s *server.Server, conn net.Conn, solicited *url.URL, kind server.RouteType, gossip byte,
	account string) unsafe.Pointer

// entrance accepts the connections of other nodes in place of the embedded server, and hands them to it. Only so many
// may be without a proof; beyond that, one of the address that has the most gives way.
//
// Lock order: docs/locks.md.
type entrance struct {
	server   *server.Server
	listener net.Listener
	log      hclog.Logger
	due      occasions
	running  sync.WaitGroup

	mu       sync.Mutex
	unproven unproven
	closed   bool
	gaveWay  uint64 // connections that gave way since the log told of them
}

// newEntrance takes the place of a server's own accepting. The error says that it cannot.
func newEntrance(s *server.Server, log hclog.Logger) (*entrance, error) {
	own, err := routeListener(s)
	if err != nil {
		return nil, err
	}
	listener, err := share(own)
	if err != nil {
		return nil, err
	}
	// The server's loop accepts nothing from now on: it finds the deadline passed, and looks again each second.
	if err := own.SetDeadline(time.Unix(1, 0)); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	e := &entrance{server: s, listener: listener, log: log, unproven: unproven{byAddress: make(map[netip.Addr][]net.Conn)}}
	e.running.Go(e.accept)
	return e, nil
}

// routeListener returns the listener that a server keeps to itself.
func routeListener(s *server.Server) (*net.TCPListener, error) {
	field := reflect.ValueOf(s).Elem().FieldByName("routeListener")
	if server.VERSION != serverVersion || !field.IsValid() || field.Type() != reflect.TypeFor[net.Listener]() {
		return nil, fmt.Errorf("nats-server is %s; expected %s", server.VERSION, serverVersion)
	}
	listener, ok := (*(*net.Listener)(field.Addr().UnsafePointer())).(*net.TCPListener)
	if !ok {
		return nil, errors.New("nats-server does not listen on TCP")
	}
	return listener, nil
}

// share returns another listener of the same socket.
func share(l *net.TCPListener) (net.Listener, error) {
	file, err := l.File()
	if err != nil {
		return nil, err
	}
	other, err := net.FileListener(file)
	return other, errors.Join(err, file.Close())
}

// accept takes connections until close.
func (e *entrance) accept() {
	for {
		conn, err := e.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if e.due.due("accept") {
				e.log.Warn("connections of other nodes are not accepted", "error", err)
			}
			<-time.After(acceptPause)
		case !e.enter(conn):
			_ = conn.Close()
			return
		}
	}
}

// enter hands a connection to the server, in a goroutine that ends with the handshake. It returns false after close.
func (e *entrance) enter(conn net.Conn) bool {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return false
	}
	victim := e.unproven.add(conn)
	if victim != nil {
		e.gaveWay++
	}
	e.running.Go(func() { e.admit(conn) })
	e.mu.Unlock()
	if victim != nil {
		_ = victim.Close() // its handshake fails
		e.reportWaived(victim)
	}
	return true
}

// admit makes a node's connection, or has the server close it.
func (e *entrance) admit(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetKeepAlive(false) // as the server has it: its own pings do more
	}
	createRoute(e.server, conn, nil, server.Implicit, gossipDefault, "")
	e.mu.Lock()
	defer e.mu.Unlock()
	e.unproven.remove(conn)
}

// reportWaived tells of the connections that gave way, once a minute.
func (e *entrance) reportWaived(newest net.Conn) {
	if !e.due.due("gave way") {
		return
	}
	e.mu.Lock()
	count := e.gaveWay
	e.gaveWay = 0
	e.mu.Unlock()
	e.log.Warn("connections to the cluster port gave way to newer ones before they proved a certificate", "count", count,
		"newest", newest.RemoteAddr().String(), "limit", maxUnproven)
}

// close ends the accepting and the handshakes, and waits for both.
func (e *entrance) close() {
	e.mu.Lock()
	e.closed = true
	for _, conns := range e.unproven.byAddress {
		for _, conn := range conns {
			_ = conn.Close()
		}
	}
	e.mu.Unlock()
	_ = e.listener.Close()
	e.running.Wait()
}

// unproven is the connections without a proof, by address: IPv4 addresses, and IPv6 networks of 64 bits. The oldest of
// each address comes first.
type unproven struct {
	byAddress map[netip.Addr][]net.Conn
	count     int
}

// add adds a connection. Beyond maxUnproven it takes out the oldest of the address that has the most, and returns it.
func (u *unproven) add(conn net.Conn) (victim net.Conn) {
	if u.count >= maxUnproven {
		var most []net.Conn
		for _, conns := range u.byAddress {
			if len(conns) > len(most) {
				most = conns
			}
		}
		victim = most[0]
		u.remove(victim)
	}
	a := payer(conn)
	u.byAddress[a] = append(u.byAddress[a], conn)
	u.count++
	return victim
}

// remove takes a connection out, if it is in.
func (u *unproven) remove(conn net.Conn) {
	a := payer(conn)
	for i, c := range u.byAddress[a] {
		if c != conn {
			continue
		}
		u.count--
		if u.byAddress[a] = append(u.byAddress[a][:i:i], u.byAddress[a][i+1:]...); len(u.byAddress[a]) == 0 {
			delete(u.byAddress, a)
		}
		return
	}
}

// payer returns the address whose share a connection takes.
func payer(conn net.Conn) netip.Addr {
	tcp, _ := conn.RemoteAddr().(*net.TCPAddr)
	a := tcp.AddrPort().Addr().Unmap().WithZone("")
	if a.Is6() {
		network, _ := a.Prefix(64)
		a = network.Addr()
	}
	return a
}
