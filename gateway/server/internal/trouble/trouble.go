// Package trouble counts and reports what a listener refuses, and its errors of accepting.
package trouble

import (
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/counter"
	"github.com/sockgate/sockgate/gateway/server/internal/gather"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// Accept errors are tried again after minBackoff, doubled each time up to maxBackoff, as net/http does.
const (
	minBackoff = 5 * time.Millisecond
	maxBackoff = time.Second
)

// Trouble is what goes wrong on one listener. New makes it. Its methods may be called from any goroutine.
type Trouble struct {
	// Counters of the server.
	Failures *atomic.Uint64
	Refusals *counter.ByReason

	log      *event.Log
	logger   hclog.Logger
	listener string
	address  func(netip.AddrPort) string                 // a peer's address as text
	backoff  atomic.Int64                                // nanoseconds of the wait after the last accept error; 0 without
	failed   gather.Gatherer[string]                     // errors of accepting
	refusals [event.ReasonCount]gather.Gatherer[refused] // by the reason of the refusal
}

// refused is a refusal and its peer.
type refused struct {
	admission.Refusal
	remote netip.AddrPort // as far as it was known
}

// New returns the trouble of a listener that has a name. Its counters must be set before the first call.
func New(log *event.Log, logger hclog.Logger, listener string, address func(netip.AddrPort) string) *Trouble {
	t := &Trouble{log: log, logger: logger, listener: listener, address: address}
	t.failed.Report = t.reportFailures
	for reason := range t.refusals {
		t.refusals[reason].Report = t.reportRefusals
	}
	return t
}

// Accepted ends the slowing after errors of accepting.
func (t *Trouble) Accepted() {
	if t.backoff.Load() != 0 {
		t.backoff.Store(0)
	}
}

// AcceptFailed handles an error of accepting, for example a lack of descriptors. It slows accepting and never ends it.
// The errors of a second make one event.
func (t *Trouble) AcceptFailed(err error) time.Duration {
	t.Failures.Add(1)
	t.failed.Add(event.ShortText(transport.ErrorText(err)))
	last := t.backoff.Load()
	wait := min(maxBackoff, max(minBackoff, 2*time.Duration(last)))
	t.backoff.CompareAndSwap(last, int64(wait))
	return wait
}

// reportFailures logs errors of accepting and makes one event of them.
func (t *Trouble) reportFailures(message string, count uint64) {
	t.logger.Warn("accepting failed", "listener", t.listener, "error", message, "count", count)
	t.log.Append(&event.Event{Type: event.Error,
		Detail: &event.ErrorDetail{Operation: event.OpAccept, Message: message, Count: count, Listener: t.listener}})
}

// Refuse counts and reports a refusal. The first of its reason is reported at once, and the others of the following
// second together. The caller closes the socket.
// It may hold epollAcceptor.mu; a logger that blocks then stops the listener (docs/locks.md).
func (t *Trouble) Refuse(r admission.Refusal, remote netip.AddrPort) {
	t.Refusals[r.Reason].Add(1)
	t.refusals[r.Reason].Add(refused{r, remote})
}

// reportRefusals makes one event of the refusals of one reason; newest is the last of them.
func (t *Trouble) reportRefusals(newest refused, count uint64) {
	d := &event.RefusedDetail{Reason: newest.Reason, Listener: t.listener, Count: count,
		Message: event.ShortText(newest.Message()), Remote: t.address(newest.remote)}
	t.log.Append(&event.Event{Type: event.Refused, Detail: d})
	t.logger.Warn("connections refused", "listener", d.Listener, "reason", d.Reason, "count", d.Count, "newest", d.Message,
		"address", d.Remote)
}

// StopFailures reports the remaining errors of accepting and stops their timer.
func (t *Trouble) StopFailures() { t.failed.Stop() }

// StopRefusals reports the remaining refusals and stops their timers.
func (t *Trouble) StopRefusals() {
	for reason := range t.refusals {
		t.refusals[reason].Stop()
	}
}
