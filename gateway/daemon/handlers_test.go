package daemon

import (
	"errors"
	"slices"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/handler"
	"github.com/sockgate/sockgate/gateway/lane"
)

// TestHandlersOfListeners checks that each listener has its handler, and that listeners with one name share the one of
// that name.
func TestHandlersOfListeners(t *testing.T) {
	table := lane.NewTable()
	s := settings{handler: "remote:b", greeting: "g", echoPrefix: "p", proxy: proxyFlags{mode: "off"},
		listen:  []string{":1", ":2 handler=echo", ":3 handler=sink", ":4 handler=remote:a", ":5 handler=remote:a"},
		remotes: table}
	if err := errors.Join(s.validateListeners(), s.validateTexts()); err != nil {
		t.Fatal(err)
	}
	all, err := s.listenerConfigs(&certificates{log: hclog.NewNullLogger()})
	if err != nil || len(all) != len(s.listen) || !slices.Equal(table.Names(), []string{"a", "b"}) {
		t.Fatalf("%d listeners with the handlers %q: %v", len(all), table.Names(), err)
	}
	if h, ok := all[0].Handler.(*lane.Handler); !ok || h.Name() != "remote:b" {
		t.Errorf("%+v", all[0].Handler)
	}
	if h, ok := all[1].Handler.(handler.Echo); !ok || string(h.Greeting) != "g" || string(h.Prefix) != "p" {
		t.Errorf("%+v", all[1].Handler)
	}
	if h, ok := all[2].Handler.(handler.Sink); !ok || string(h.Greeting) != "g" {
		t.Errorf("%+v", all[2].Handler)
	}
	if h, ok := all[3].Handler.(*lane.Handler); !ok || h.Name() != "remote:a" || all[4].Handler != h {
		t.Errorf("%+v, %+v", all[3].Handler, all[4].Handler)
	}
}
