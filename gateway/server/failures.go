package server

import (
	"net/netip"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
)

// refused is a refusal and the peer that it met.
type refused struct {
	admission.Refusal
	remote netip.AddrPort // as far as it was known
}

// refuse counts a refusal and tells of it: at once when it is the first of its reason, with others of a second when it
// is not. The caller closes the socket, and holds no lock.
func (l *listener) refuse(r admission.Refusal, remote netip.AddrPort) {
	l.server.counters.refusals[r.Reason].Add(1)
	l.refusals[r.Reason].Add(refused{r, remote})
}

// reportRefusals makes an event of refusals of one reason; newest is the last of them.
func (l *listener) reportRefusals(newest refused, count uint64) {
	d := &event.RefusedDetail{Reason: newest.Reason, Listener: l.config.Name, Count: count,
		Message: event.ShortText(newest.Message()), Remote: l.peerAddress(newest.remote)}
	l.server.log.Append(&event.Event{Type: event.Refused, Detail: d})
	l.server.config.Logger.Warn("connections refused", "listener", d.Listener, "reason", d.Reason, "count", d.Count,
		"newest", d.Message, "address", d.Remote)
}

// peerAddress is the address of a peer in words: that of a unix socket is the listener's path.
func (l *listener) peerAddress(remote netip.AddrPort) string {
	return (&event.Identity{Listener: l.name, Remote: remote}).RemoteAddr()
}

// stopReporting tells of the refusals that have not been told of, and leaves no timer behind.
func (l *listener) stopReporting() {
	for reason := range l.refusals {
		l.refusals[reason].Stop()
	}
}
