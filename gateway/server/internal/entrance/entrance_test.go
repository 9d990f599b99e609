package entrance_test

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/entrance"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

const (
	balancer = "10.0.0.1:1000"
	client   = "203.0.113.9:56324"
	header   = "PROXY TCP4 203.0.113.9 198.51.100.1 56324 443\r\n"
	timeout  = time.Second
)

// house notes what becomes of sockets. It is the endpoint of each that it opens.
type house struct {
	transport.Endpoint // the calls that no test makes
	opened             []string
	refused            []admission.Refusal
	released           int
	got                string
	ended              bool
}

func (h *house) Handshakes() (time.Duration, int) { return timeout, 1 }

func (h *house) Open(_ transport.Socket, remote, _ netip.AddrPort, peer *event.Peer, _ bool) transport.Endpoint {
	by := ""
	if peer != nil {
		by = peer.Proxy.String()
	}
	h.opened = append(h.opened, remote.String()+" by "+by)
	return h
}

func (h *house) Refuse(r admission.Refusal, _ netip.AddrPort) { h.refused = append(h.refused, r) }
func (h *house) Release()                                     { h.released++ }
func (h *house) Panicked(*transport.PanicError)               {}
func (h *house) Opened()                                      {}
func (h *house) Received(p []byte, _ transport.Moment)        { h.got += string(p) }
func (h *house) Ended()                                       { h.ended = true }

// socket is a raw socket that notes whether it was closed.
type socket struct {
	transport.Socket
	closed bool
}

func (s *socket) Close(bool) { s.closed = true }

// arrive is a socket of the balancer that has begun.
func arrive(e *entrance.Entrance) (*socket, transport.Endpoint) {
	s := &socket{}
	p := e.AwaitHeader(s, netip.MustParseAddrPort(balancer), netip.AddrPort{})
	p.Opened()
	return s, p
}

// newEntrance returns an entrance of plain TCP whose only banned address is the test's.
func newEntrance(h *house, required bool, banned string) *entrance.Entrance {
	a := &admission.Addresses{Banned: func(addr netip.Addr, _ string) (string, bool) {
		return "banned by the test", addr.String() == banned
	}}
	return &entrance.Entrance{House: h, Table: &entrance.Table{}, Addresses: a, Clock: transport.NewClock(),
		Required: required}
}

// TestHeader holds what becomes of a socket by its first bytes, whether they come in one piece or one by one.
func TestHeader(t *testing.T) {
	for _, c := range []struct {
		name, bytes, banned string
		required            bool
		opened, got         string
		refused             event.CloseReason
	}{
		{name: "header", bytes: header + "hello", required: true, opened: client + " by " + balancer, got: "hello"},
		{name: "no header", bytes: "hello", opened: balancer + " by ", got: "hello"},
		{name: "almost a header", bytes: "PROXX", opened: balancer + " by ", got: "PROXX"},
		{name: "missing", bytes: "hello", required: true, refused: event.ReasonProxyHeader},
		{name: "malformed", bytes: "PROXY TCP4 nonsense\r\n", refused: event.ReasonProxyHeader},
		{name: "too long", bytes: "PROXY " + strings.Repeat("x", 200), refused: event.ReasonProxyHeader},
		{name: "banned client", bytes: header, banned: "203.0.113.9", refused: event.ReasonBanned},
		{name: "banned balancer", bytes: header, banned: "10.0.0.1", opened: client + " by " + balancer},
	} {
		for _, size := range []int{1, len(c.bytes)} {
			h := &house{}
			s, p := arrive(newEntrance(h, c.required, c.banned))
			for rest := c.bytes; rest != ""; rest = rest[min(size, len(rest)):] {
				p.Received([]byte(rest[:min(size, len(rest))]), 0)
			}
			if strings.Join(h.opened, ",") != c.opened || h.got != c.got {
				t.Errorf("%s, %d at once: opened %v, which got %q; expected %q and %q", c.name, size, h.opened, h.got,
					c.opened, c.got)
			}
			refuses := c.refused != event.ReasonNone
			if s.closed != refuses || (len(h.refused) == 1) != refuses || refuses && h.refused[0].Reason != c.refused {
				t.Errorf("%s, %d at once: refused %+v, closed %v; expected %s", c.name, size, h.refused, s.closed, c.refused)
			}
		}
	}
}

// TestEndWithoutHeader holds that a peer that finishes at once is a connection where no header is required.
func TestEndWithoutHeader(t *testing.T) {
	for _, required := range []bool{false, true} {
		h := &house{}
		_, p := arrive(newEntrance(h, required, ""))
		p.Ended()
		if h.ended == required || (len(h.refused) == 1) != required {
			t.Errorf("required %v: ended %v, refused %+v", required, h.ended, h.refused)
		}
	}
}

// TestTimeout holds that a silent peer is refused where a header is required, and else is a connection: its client may
// wait for the server to speak first.
func TestTimeout(t *testing.T) {
	for _, required := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := &house{}
			s, p := arrive(newEntrance(h, required, ""))
			<-time.After(timeout)
			synctest.Wait()
			if required != s.closed || required == (len(h.opened) == 1) ||
				required && (len(h.refused) != 1 || h.refused[0].Reason != event.ReasonProxyTimeout) {
				t.Errorf("required %v: opened %v, refused %+v", required, h.opened, h.refused)
			}
			p.Received([]byte("late"), 0)
			if (h.got == "late") == required {
				t.Errorf("required %v: got %q", required, h.got)
			}
		})
	}
}

// TestRefuseAll holds that each pending socket is refused exactly once, and one that was decided on is left alone.
func TestRefuseAll(t *testing.T) {
	h := &house{}
	e := newEntrance(h, true, "")
	admitted, p := arrive(e)
	p.Received([]byte(header), 0)
	waiting, _ := arrive(e)
	for range 2 {
		e.Table.RefuseAll(admission.Refusal{Reason: event.ReasonShutdown})
	}
	if len(h.opened) != 1 || len(h.refused) != 1 || h.refused[0].Reason != event.ReasonShutdown || admitted.closed ||
		!waiting.closed {
		t.Errorf("opened %v, refused %+v, closed %v and %v", h.opened, h.refused, admitted.closed, waiting.closed)
	}
}
