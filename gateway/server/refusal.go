package server

import (
	"fmt"
	"net/netip"

	"github.com/sockgate/sockgate/gateway/event"
)

// refusal says why a connection is not admitted; the zero value: it is. Making one allocates nothing but for the text of an error: there
// may be very many, and words are made only of those that are told.
type refusal struct {
	reason event.CloseReason
	limit  int     // that is reached, of the reasons that have one
	rate   float64 // connections a second, of those that have that
	text   string  // whose limit it is, or what was wrong
}

// refuses reports whether it is a refusal.
func (r *refusal) refuses() bool { return r.reason != event.ReasonNone }

// message says in words what happened.
func (r *refusal) message() string {
	switch r.reason {
	case event.ReasonConnectionLimit:
		return fmt.Sprintf("the limit of %d connections is reached", r.limit)
	case event.ReasonListenerLimit:
		return fmt.Sprintf("the listener's limit of %d connections is reached", r.limit)
	case event.ReasonIPLimit:
		return fmt.Sprintf("%s has %d connections, which is the limit", r.text, r.limit)
	case event.ReasonAcceptRate:
		return fmt.Sprintf("more connections came than the accept rate allows: %g a second", r.rate)
	case event.ReasonIPAcceptRate:
		return fmt.Sprintf("more connections came from the address than its accept rate allows: %g a second", r.rate)
	case event.ReasonDenied:
		return "the address is in the deny list, or not in the allow list"
	}
	return r.text
}

// refused is a refusal and whom it met.
type refused struct {
	refusal
	remote netip.AddrPort // as far as it was known
}

// refuse counts a refusal and tells of it: at once when it is the first of its reason, with others of a second when it is not. The caller
// closes the socket, and holds no lock.
func (l *listener) refuse(r refusal, remote netip.AddrPort) {
	l.server.counters.refusals[r.reason].Add(1)
	l.refusals[r.reason].add(refused{r, remote})
}

// reportRefusals makes an event of refusals of one reason, the newest of which is given.
func (l *listener) reportRefusals(newest refused, count uint64) {
	d := &event.RefusedDetail{Reason: newest.reason, Listener: l.config.Name, Count: count, Message: event.ShortText(newest.message()),
		Remote: l.peerAddress(newest.remote)}
	l.server.log.Append(&event.Event{Type: event.Refused, Detail: d})
	l.server.config.Logger.Warn("connections refused", "listener", d.Listener, "reason", d.Reason, "count", d.Count, "newest", d.Message,
		"address", d.Remote)
}

// peerAddress is the address of a peer in words: that of a unix socket is the listener's path.
func (l *listener) peerAddress(remote netip.AddrPort) string {
	return (&event.Identity{Listener: l.name, Remote: remote}).RemoteAddress()
}

// stopReporting tells of the refusals that have not been told of, and leaves no timer behind.
func (l *listener) stopReporting() {
	for reason := range l.refusals {
		l.refusals[reason].stop()
	}
}
