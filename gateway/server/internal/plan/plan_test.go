package plan_test

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/server/internal/plan"
)

// TestCheck holds that an error names the listener and says what is wrong.
func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*plan.Listener){
		"":                                func(*plan.Listener) {},
		`"b" has the address ""`:          func(l *plan.Listener) { l.Address = "" },
		`"b" has the address "unix://"`:   func(l *plan.Listener) { l.Address = "unix://" },
		`two listeners are called "a"`:    func(l *plan.Listener) { l.Name = "a" },
		`"b" has no handler`:              func(l *plan.Listener) { l.Handled = false },
		`"b" has TLS without a certif`:    func(l *plan.Listener) { l.TLS = &tls.Config{} },
		`"b": PROXY mode 3: expected`:     func(l *plan.Listener) { l.Proxy = 3 },
		`"b": PROXY mode -1: expected`:    func(l *plan.Listener) { l.Proxy = -1 },
		`"b" takes PROXY headers (on) an`: func(l *plan.Listener) { l.Proxy, l.ProxyName = 2, "on" },
		`"b": trusted`:                    func(l *plan.Listener) { l.Trusted = []netip.Prefix{{}} },
	} {
		ls := []plan.Listener{{Name: "a", Address: ":1", Handled: true}, {Name: "b", Address: ":2", Handled: true}}
		change(&ls[1])
		err := plan.Check(ls)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v; expected %q", err, want)
		}
	}
}
