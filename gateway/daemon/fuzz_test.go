package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/sockgate/sockgate/gateway/frame"
)

// FuzzConfig reads a configuration file. Every file gives settings or an error, and settings have known keys only. The
// corpus is in testdata/fuzz.
func FuzzConfig(f *testing.F) {
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

// FuzzListen reads a listener. An accepted one has an address, and its words contradict no rule.
func FuzzListen(f *testing.F) {
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
		if whole := l.Frame != (frame.Format{}); whole != (l.MaxFrame > 0) || whole != (l.FrameTimeout > 0) ||
			l.Frame.Fits(l.MaxFrame) != nil || l.handler != "" && checkHandler(l.handler) != nil {
			t.Errorf("%+v", l)
		}
		if l.files != nil && (len(l.files.Pairs) == 0 || (l.files.ClientAuth != 0) != (len(l.files.ClientCA) > 0)) {
			t.Errorf("%+v", l.files)
		}
	})
}
