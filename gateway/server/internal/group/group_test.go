package group_test

import (
	"net/netip"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/group"
)

// TestReader reads each property of a connection with every field and of one with none.
func TestReader(t *testing.T) {
	whole := &event.Connection{Identity: &event.Identity{Listener: &event.Listener{Name: "game"},
		Remote: netip.MustParseAddrPort("[::ffff:192.0.2.1]:5")}, State: event.StateClosed,
		CloseReason: event.ReasonHandlerFailed, Instance: "pod-1"}
	bare := &event.Connection{Identity: &event.Identity{Listener: &event.Listener{}}}
	for name, want := range map[string][2]string{
		"listener": {"game", ""}, "state": {"CLOSED", "UNSPECIFIED"}, "close_reason": {"HANDLER_FAILED", "UNSPECIFIED"},
		"remote_ip": {"192.0.2.1", ""}, "handler_instance": {"pod-1", ""},
	} {
		read := group.Reader(name)
		if got := [2]string{read(whole), read(bare)}; got != want {
			t.Errorf("%s: %q; expected %q", name, got, want)
		}
	}
	if group.Reader("unacknowledged_bytes") != nil {
		t.Error("a number is read as a property")
	}
}
