package server

import (
	"net/netip"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/ban"
	"github.com/sockgate/sockgate/gateway/server/internal/history"
	"github.com/sockgate/sockgate/gateway/server/internal/replay"
	"github.com/sockgate/sockgate/gateway/server/internal/sendqueue"
)

// The package's bounds that tests need.
const (
	ClosedKept   = history.Kept
	ScanRows     = scanRows
	RequestsKept = replay.Max
	ReadReserve  = sendqueue.HandlerReserve
	MaxDiscarded = maxDiscarded
)

// Opened reports whether a connection's socket has started. Until then sends are queued.
func (s *Server) Opened(id string) bool {
	c, _, _ := s.find(id)
	if c == nil {
		return true // it was opened and has closed
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.has(flagOpened)
}

// CountedAddresses returns how many addresses and networks have counts.
func (s *Server) CountedAddresses() int {
	s.addresses.Mu.Lock()
	defer s.addresses.Mu.Unlock()
	return len(s.addresses.ByAddress) + len(s.addresses.ByNetwork)
}

// inert is a socket without a descriptor. It receives nothing, and takes every byte that is written.
type inert struct{}

func (inert) TryWrite(p []byte) (int, error) { return len(p), nil }
func (inert) Flush() bool                    { return false }
func (inert) Pause()                         {}
func (inert) Resume()                        {}
func (inert) Unacknowledged() int            { return 0 }
func (inert) Gone() bool                     { return false }
func (inert) CloseWrite() error              { return nil }
func (inert) Close(bool)                     {}

// AddInert admits a connection without a descriptor, so that a test can have a million. To all but the engine it is
// like any other. CloseInert ends it; no verb can.
func (s *Server) AddInert(remote netip.AddrPort, labels map[string]string) *Conn {
	end := s.listeners[0].Admit(inert{}, remote, remote).(endpoint)
	end.Opened()
	if len(labels) > 0 {
		end.label(labels, nil)
	}
	return end.Conn
}

// CloseInert ends a connection of AddInert.
func CloseInert(c *Conn) { endpoint{c}.Closed() }

// Banned asks the admission's question about a peer.
func (s *Server) Banned(addr netip.Addr, identity string) (string, bool) {
	return s.banned(addr, identity)
}

// ChangeLimits changes the limits in force.
func (s *Server) ChangeLimits(change func(*Limits)) { s.changeLimits(change) }

// DecodeBans returns the number of bans in the text of a ban file.
func DecodeBans(text []byte) (int, error) {
	rows, err := ban.Decode(text, time.Now())
	return len(rows), err
}

// AddFull admits a connection without a descriptor whose kernel takes nothing. CloseInert ends it.
func (s *Server) AddFull(t interface {
	Helper()
	Fatalf(string, ...any)
}) *Conn {
	t.Helper()
	return s.connect(t, "", 0).end.Conn
}

// Receive gives a connection bytes from its peer, as its socket does.
func Receive(c *Conn, p []byte) { endpoint{c}.Received(p, c.owner.server.now()) }

// CutShort is what follows when the time to flush an ending connection is over.
func CutShort(c *Conn) { c.cutShort() }

// SetPatience sets the age from which a pending connection may give way to a newcomer.
func (s *Server) SetPatience(d time.Duration) {
	s.tls.SetPatience(d)
	s.admissions.SetPatience(d)
}
