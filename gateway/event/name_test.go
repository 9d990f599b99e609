package event_test

import (
	"strconv"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

// TestNames holds that every value of an enum has a name of its own, and that an unknown value is written as a number.
func TestNames(t *testing.T) {
	seen := make(map[string]bool)
	for i := range event.TypeCount {
		seen[event.Type(i).String()] = true
	}
	if last := event.Type(event.TypeCount - 1); last.String() == strconv.Itoa(int(last)) {
		t.Errorf("type %d has no name", last)
	}
	if len(seen) != event.TypeCount || event.Type(200).String() != "200" || event.Gap.String() != "GAP" {
		t.Errorf("types are called %v, and 200 %q", seen, event.Type(200))
	}
	clear(seen)
	for i := range event.ReasonCount {
		seen[event.CloseReason(i).String()] = true
	}
	if last := event.CloseReason(event.ReasonCount - 1); last.String() == strconv.Itoa(int(last)) {
		t.Errorf("close reason %d has no name", last)
	}
	if len(seen) != event.ReasonCount || event.ReasonHandlerPanic.String() != "HANDLER_PANIC" {
		t.Errorf("close reasons are called %v", seen)
	}
	for text, value := range map[string]interface{ String() string }{
		"HANDLER": event.OpHandler, "SEND_QUEUE": event.CauseSendQueue, "9": event.PauseCause(9),
		"DATA_OVERFLOW": event.GapDataOverflow,
		"CLOSED":        event.StateClosed, "77": event.State(77),
	} {
		if value.String() != text {
			t.Errorf("%v is called %q; expected %q", value, value.String(), text)
		}
	}
}
