package server

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// secondFails is an engine that fails at its second listener. By then a client of the first one is half admitted.
type secondFails struct {
	transport.Engine
	server *Server
	client net.Conn
}

var errSecond = errors.New("no more listeners")

func (e *secondFails) Accept(ln net.Listener, a transport.Admission) (transport.Acceptor, error) {
	if e.client != nil {
		return nil, errSecond
	}
	acceptor, err := e.Engine.Accept(ln, a)
	if err != nil {
		return nil, err
	}
	if e.client, err = net.Dial("tcp", e.server.listeners[0].Address()); err != nil {
		return nil, err
	}
	if _, err = e.client.Write([]byte("PROXY")); err != nil {
		return nil, err
	}
	for e.server.registry.Pending() == 0 {
		runtime.Gosched()
	}
	return acceptor, nil
}

// A server that cannot begin to serve leaves nothing of the half admitted connections.
func TestGiveUpRefusesPending(t *testing.T) {
	for _, engine := range Engines() {
		s, err := New(Config{Node: "test", Handler: BaseHandler{},
			Listeners: []ListenerConfig{{Name: "a", Address: "127.0.0.1:0", Proxy: ProxyRequired,
				ProxyTrusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, {Name: "b", Address: "127.0.0.1:0"}}})
		if err != nil {
			t.Fatal(err)
		}
		e, err := transport.New(engine, s.clock, 0)
		if err != nil {
			t.Fatal(err)
		}
		failing := &secondFails{Engine: e, server: s}
		s.engine = failing
		if err := s.Serve(t.Context()); !errors.Is(err, errSecond) {
			t.Errorf("%s: Serve: %v; expected %v", engine, err, errSecond)
		}
		defer failing.client.Close()
		if n := s.counters.Refusals[event.ReasonShutdown].Load(); n != 1 || s.registry.Pending() != 0 {
			t.Errorf("%s: %d refused with SHUTDOWN, %d pending; expected 1 and 0", engine, n, s.registry.Pending())
		}
		if _, err := failing.client.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: the client is still connected", engine)
		}
	}
}
