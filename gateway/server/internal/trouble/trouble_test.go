package trouble_test

import (
	"errors"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/counter"
	"github.com/sockgate/sockgate/gateway/server/internal/trouble"
)

// TestTrouble holds that everything is counted, that the things of a second make one event, and that accepting slows
// until it succeeds.
func TestTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := event.NewLog(event.Origin{Node: "test", Incarnation: "1"}, 256)
		defer log.Close()
		tr := trouble.New(log, hclog.NewNullLogger(), "main", netip.AddrPort.String)
		tr.Failures, tr.Refusals = new(atomic.Uint64), new(counter.ByReason)
		peer := netip.MustParseAddrPort("192.0.2.1:7")
		var wait time.Duration
		for range 20 {
			tr.Refuse(admission.Refusal{Reason: event.ReasonDenied}, peer)
			wait = tr.AcceptFailed(errors.New("no descriptors"))
		}
		if wait != time.Second {
			t.Errorf("accepting waits for %s after 20 errors; expected 1 s", wait)
		}
		tr.Accepted()
		if wait = tr.AcceptFailed(errors.New("again")); wait != 5*time.Millisecond {
			t.Errorf("accepting waits for %s after a success; expected 5 ms", wait)
		}
		tr.StopFailures()
		tr.StopRefusals()
		if tr.Failures.Load() != 21 || tr.Refusals[event.ReasonDenied].Load() != 20 || log.Head().Sequence != 4 {
			t.Errorf("%d failures, %d refusals, %d events; expected 21, 20 and 4", tr.Failures.Load(),
				tr.Refusals[event.ReasonDenied].Load(), log.Head().Sequence)
		}
	})
}
