package server_test

import (
	"crypto/tls"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

// The error about a bad value names the field and quotes the value.
func TestConfigErrors(t *testing.T) {
	listeners := func(l ...server.ListenerConfig) server.Config {
		return server.Config{Listeners: l, Handler: handler.Echo{}}
	}
	for _, c := range []struct {
		change server.Config
		say    []string
	}{
		{server.Config{Node: "Edge_1"}, []string{"node name", `"Edge_1"`}},
		{server.Config{Node: strings.Repeat("n", 33)}, []string{"node name", "nnn"}},
		{server.Config{Limits: server.Limits{MaxConnections: -1}}, []string{"max connections", "-1"}},
		{server.Config{Limits: server.Limits{HighWater: -5}}, []string{"high water", "-5"}},
		{server.Config{Limits: server.Limits{LowWater: -6}}, []string{"low water", "-6"}},
		{server.Config{Limits: server.Limits{HighWater: 10, LowWater: 11}}, []string{"low water", "11", "10"}},
		{server.Config{Limits: server.Limits{SendQueueLimit: 100}}, []string{"send queue limit", "100", "65536"}},
		{server.Config{Limits: server.Limits{WriteTimeout: -time.Second}}, []string{"write timeout", "-1s"}},
		{server.Config{CloseTimeout: -time.Second}, []string{"close timeout", "-1s"}},
		{server.Config{DrainTimeout: -time.Second}, []string{"drain timeout", "-1s"}},
		{server.Config{Limits: server.Limits{IdleTimeout: -time.Second}}, []string{"idle timeout", "-1s"}},
		{server.Config{IdleAction: 7}, []string{"idle action", "7"}},
		{server.Config{EventLogSize: -1}, []string{"event log size", "-1"}},
		{server.Config{EventLogSize: 1<<24 + 1}, []string{"event log size", "16777217"}},
		{server.Config{Listeners: []server.ListenerConfig{}}, []string{"listener"}},
		{listeners(server.ListenerConfig{}), []string{"listener", `""`}},
		{listeners(server.ListenerConfig{Name: "game"}), []string{`"game"`, `""`}},
		{listeners(server.ListenerConfig{Name: "game", Address: "unix://"}), []string{`"game"`, `"unix://"`}},
		{listeners(server.ListenerConfig{Address: ":1"}, server.ListenerConfig{Address: ":1"}), []string{`":1"`}},
		{listeners(server.ListenerConfig{Name: "a", Address: ":1"}, server.ListenerConfig{Name: "a", Address: ":2"}),
			[]string{`"a"`}},
		{listeners(server.ListenerConfig{Name: "game", Address: ":1", TLS: &tls.Config{}}),
			[]string{`"game"`, "certificate"}},
		{listeners(server.ListenerConfig{Name: "game", Address: ":1", Proxy: server.ProxyOptional}),
			[]string{`"game"`, "optional", "network"}},
		{listeners(server.ListenerConfig{Name: "game", Address: ":1", Proxy: 7, ProxyTrusted: balancers}),
			[]string{`"game"`, "7"}},
		{listeners(server.ListenerConfig{Name: "game", Address: ":1", Proxy: server.ProxyRequired,
			ProxyTrusted: make([]netip.Prefix, 2)}), []string{`"game"`, "network 1"}},
		{server.Config{Limits: server.Limits{ListenerConnections: map[string]int{"gmae": 1}}},
			[]string{"listener connections", `"gmae"`, `"127.0.0.1:0"`}},
		{server.Config{Listeners: []server.ListenerConfig{{Name: "mute", Address: ":1"}}}, []string{`"mute"`, "handler"}},
	} {
		config := c.change
		if config.Listeners == nil {
			config.Listeners, config.Handler = []server.ListenerConfig{{Address: "127.0.0.1:0"}}, handler.Echo{}
		}
		if config.Node == "" {
			config.Node = "test"
		}
		_, err := server.New(config)
		if err == nil {
			t.Errorf("%+v is accepted; expected an error that says %q", c.change, c.say)
			continue
		}
		for _, word := range c.say {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q does not say %q", err, word)
			}
		}
	}
}

// The defaults are the documented ones, and Gateway shows them.
func TestConfigDefaults(t *testing.T) {
	s, err := server.New(server.Config{Listeners: []server.ListenerConfig{{Address: "127.0.0.1:0"}}, Handler: &hooks{}})
	if err != nil {
		t.Fatal(err)
	}
	info := s.Gateway()
	c := info.Config
	if !event.ValidNode(c.Node) || c.Limits.HighWater != 64<<10 || c.Limits.LowWater != 32<<10 ||
		c.Limits.SendQueueLimit != 1<<20 || c.Limits.WriteTimeout != 30*time.Second || c.CloseTimeout != 5*time.Second ||
		c.DrainTimeout != 30*time.Second || c.EventLogSize != 65536 || c.Version != "devel" ||
		c.Limits.IdleTimeout != 0 || c.IdleAction != server.IdleClose || c.Listeners[0].Name != "127.0.0.1:0" {
		t.Errorf("defaults %+v", c)
	}
	if l := info.Listeners[0]; l.Open || l.Handler != "custom" || info.Engine != server.Engines()[0] ||
		info.EventLogSize != 65536 || info.Draining {
		t.Errorf("described as %+v", info)
	}
	big, err := server.New(server.Config{Limits: server.Limits{HighWater: 4 << 20},
		Listeners: []server.ListenerConfig{{Address: ":0"}}, Handler: handler.Echo{}})
	if err != nil {
		t.Fatal(err)
	}
	if info := big.Gateway(); info.Config.Limits.SendQueueLimit != 4<<20 || info.Listeners[0].Handler != "echo" {
		t.Errorf("with a high water of 4 MiB: %+v", info.Config)
	}
}
