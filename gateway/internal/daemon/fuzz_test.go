package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// FuzzConfig reads a configuration file: whatever is in it, it is settings or an error, and what is settings has known keys only.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"", "node: edge-1\nlisten: [':8017', 'games=:9000 max-connections=5']\nidle-timeout: 5m\nhigh-water: 64KiB\n",
		"tls-cert: a.pem\ntls-key: a.key\nlisten: ':1 tls=off, x=:2 alpn=a'\n", "allow: [10.0.0.0/8, '::1']\naccept-rate: 1e3\n", "idel-timeout: 5m", "listen:",
		"control: ':8018'\ncontrol-role: ['uid:0=admin']\n", "a: &a [*a]", "handler: !!binary AAAA", "1: 2", "? [a]\n: b", "listen: {a: b}", "node: 2026-01-01"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var s settings
		flags := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
		s.flags(flags)
		k, err := parseFile(flags, "fuzz.yaml", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "configuration file fuzz.yaml: ") {
				t.Error(err)
			}
			return
		}
		for _, key := range k.Keys() {
			if !slices.Contains(flagNames(flags), key) {
				t.Errorf("the key %q was accepted", key)
			}
		}
		if err := apply(k, flags, nil, func(key string) string { return key }); err != nil {
			return
		}
		if err := s.validate(); err == nil && len(s.listeners) == 0 {
			t.Error("no listener")
		}
	})
}

// FuzzListen reads a listener: what is accepted has an address, and words that contradict none of the rules.
func FuzzListen(f *testing.F) {
	for _, seed := range []string{":8017", "games=:9000 tls=on tls-cert=a.pem tls-key=a.key client-auth=require client-ca=ca.pem proxy=required proxy-trusted=10.0.0.0/8 max-connections=1000",
		`x=unix:///a tls-cert="/my files/a" tls-key=b`, ":1 tls=off", `":1" alpn=a alpn="b c"`, ":1 tls=on tls=on", "a=b=:1", ":1\ttls=off\u00a0proxy=off", `"`, ":1 max-connections=+5"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := parseListen(text, tlsFlags{}, proxyFlags{mode: "off"})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "--listen ") {
				t.Error(err)
			}
			return
		}
		if l.Address == "" || l.maxConnections < 0 || (l.Proxy != 0) != (len(l.ProxyTrusted) > 0) {
			t.Errorf("%+v", l)
		}
		if l.files != nil && (len(l.files.Pairs) == 0 || (l.files.ClientAuth != 0) != (len(l.files.ClientCA) > 0)) {
			t.Errorf("%+v", l.files)
		}
	})
}
