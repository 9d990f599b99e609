package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/server"
)

// named is the handler of programs that attach under a name.
type named struct {
	server.BaseHandler
	name string
}

// TestHandlersOfListeners checks that each listener has its handler, and that listeners with one name share the one of
// that name.
func TestHandlersOfListeners(t *testing.T) {
	var asked []string
	s := settings{handler: "remote:b", greeting: "g", echoPrefix: "p", proxy: proxyFlags{mode: "off"},
		listen: []string{":1", ":2 handler=echo", ":3 handler=sink", ":4 handler=remote:a", ":5 handler=remote:a"},
		remotes: func(name string) (server.Handler, error) {
			asked = append(asked, name)
			return &named{name: name}, nil
		}}
	if err := errors.Join(s.validateListeners(), s.validateTexts()); err != nil {
		t.Fatal(err)
	}
	all, err := s.listenerConfigs(&certificates{log: hclog.NewNullLogger()})
	if err != nil || len(all) != len(s.listen) || !slices.Equal(asked, []string{"b", "a"}) {
		t.Fatalf("%d listeners, asked for %q: %v", len(all), asked, err)
	}
	if h, ok := all[0].Handler.(*named); !ok || h.name != "b" {
		t.Errorf("%+v", all[0].Handler)
	}
	if h, ok := all[1].Handler.(handler.Echo); !ok || string(h.Greeting) != "g" || string(h.Prefix) != "p" {
		t.Errorf("%+v", all[1].Handler)
	}
	if h, ok := all[2].Handler.(handler.Sink); !ok || string(h.Greeting) != "g" {
		t.Errorf("%+v", all[2].Handler)
	}
	if h, ok := all[3].Handler.(*named); !ok || h.name != "a" || all[4].Handler != all[3].Handler {
		t.Errorf("%+v, %+v", all[3].Handler, all[4].Handler)
	}
}

// TestRemoteHandlerFails checks that an error about a remote handler names the listener.
func TestRemoteHandlerFails(t *testing.T) {
	s := settings{handler: "echo", listen: []string{":1", ":2 handler=remote:a"}, proxy: proxyFlags{mode: "off"}}
	if err := s.validateListeners(); err != nil {
		t.Fatal(err)
	}
	_, err := s.listenerConfigs(&certificates{log: hclog.NewNullLogger()})
	if err == nil || !strings.HasPrefix(err.Error(), `--listen ":2 handler=remote:a": handler remote:a: `) {
		t.Error(err)
	}
}
