package plan_test

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/frame"
	"github.com/sockgate/sockgate/gateway/server/internal/framing"
	"github.com/sockgate/sockgate/gateway/server/internal/plan"
)

// TestCheck holds that an error names the listener and says what is wrong.
func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*plan.Listener){
		"":                                               func(*plan.Listener) {},
		`"b" has the address ""`:                         func(l *plan.Listener) { l.Address = "" },
		`"b" has the address "unix://"`:                  func(l *plan.Listener) { l.Address = "unix://" },
		`two listeners are called "a"`:                   func(l *plan.Listener) { l.Name = "a" },
		`"b" has no handler`:                             func(l *plan.Listener) { l.Handled = false },
		`"b" has TLS without a certif`:                   func(l *plan.Listener) { l.TLS = &tls.Config{} },
		`"b": PROXY mode 3: expected`:                    func(l *plan.Listener) { l.Proxy = 3 },
		`"b": PROXY mode -1: expected`:                   func(l *plan.Listener) { l.Proxy = -1 },
		`"b" takes PROXY headers (req`:                   func(l *plan.Listener) { l.Proxy = plan.ProxyRequired },
		`"b": max frame 0: expected 1 to 16777216 bytes`: func(l *plan.Listener) { l.Rules.Limit = 0 },
		`"b": max frame 16777217: expected`:              func(l *plan.Listener) { l.Rules.Limit = 1<<24 + 1 },
		`"b": frame timeout 1µs: expected 1ms to 1h0m0s`: func(l *plan.Listener) { l.Rules.Timeout = 1000 },
		`"b": frame timeout 2h0m0s: expected`:            func(l *plan.Listener) { l.Rules.Timeout = 2 * time.Hour },
		`"b": a frame of fixed:9 has at least 9 bytes; at most 8`: func(l *plan.Listener) {
			l.Rules.Format, _ = frame.Parse("fixed:9")
			l.Rules.Limit = 8
		},
		`"b": trusted`: func(l *plan.Listener) { l.Trusted = []netip.Prefix{{}} },
	} {
		rules := framing.Rules{Limit: plan.DefaultMaxFrame, Timeout: plan.DefaultFrameTimeout}
		ls := []plan.Listener{{Name: "a", Address: ":1", Handled: true, Rules: rules},
			{Name: "b", Address: ":2", Handled: true, Rules: rules}}
		change(&ls[1])
		s := plan.Server{Node: "a", CloseTimeout: 1, DrainTimeout: 1, EventLogSize: 1, Engine: "net", Listeners: ls}
		err := s.Check()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v; expected %q", err, want)
		}
	}
}
