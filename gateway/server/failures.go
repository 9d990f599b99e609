package server

import (
	"net/netip"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
)

// refused is a refusal and its peer.
type refused struct {
	admission.Refusal
	remote netip.AddrPort // as far as it was known
}

// Refuse counts and reports a refusal. The first of its reason is reported at once, and the others of the following
// second together. The caller closes the socket.
// It may hold epollAcceptor.mu; a logger that blocks then stops the listener (docs/locks.md).
func (l *listener) Refuse(r admission.Refusal, remote netip.AddrPort) {
	l.server.counters.refusals[r.Reason].Add(1)
	l.refusals[r.Reason].Add(refused{r, remote})
}

// reportRefusals makes one event of the refusals of one reason; newest is the last of them.
func (l *listener) reportRefusals(newest refused, count uint64) {
	d := &event.RefusedDetail{Reason: newest.Reason, Listener: l.config.Name, Count: count,
		Message: event.ShortText(newest.Message()), Remote: l.peerAddress(newest.remote)}
	l.server.log.Append(&event.Event{Type: event.Refused, Detail: d})
	l.server.config.Logger.Warn("connections refused", "listener", d.Listener, "reason", d.Reason, "count", d.Count,
		"newest", d.Message, "address", d.Remote)
}

// peerAddress returns a peer's address as text: for a unix socket the listener's path.
func (l *listener) peerAddress(remote netip.AddrPort) string {
	return (&event.Identity{Listener: l.name, Remote: remote}).RemoteAddr()
}

// stopReporting reports the remaining refusals and stops the timers.
func (l *listener) stopReporting() {
	for reason := range l.refusals {
		l.refusals[reason].Stop()
	}
}
