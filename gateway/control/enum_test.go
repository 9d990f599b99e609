package control_test

import (
	"fmt"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestEnums checks that the enums of the server have exactly the numbers and names of the contract, because they are
// converted by number.
func TestEnums(t *testing.T) {
	for prefix, e := range map[string]struct {
		contract map[int32]string
		name     func(int32) string
	}{
		"CONNECTION_STATE_": {pb.ConnectionState_name, func(i int32) string { return server.State(i).String() }},
		"CLOSE_REASON_":     {pb.CloseReason_name, func(i int32) string { return server.CloseReason(i).String() }},
		"OUTCOME_":          {pb.Outcome_name, func(i int32) string { return server.Outcome(i).String() }},
		"EVENT_TYPE_":       {pb.EventType_name, func(i int32) string { return event.Type(i).String() }},
		"GAP_REASON_":       {pb.GapReason_name, func(i int32) string { return event.GapReason(i).String() }},
		"ERROR_OPERATION_":  {pb.ErrorOperation_name, func(i int32) string { return event.Operation(i).String() }},
		"BACKPRESSURE_CAUSE_": {pb.BackpressureCause_name,
			func(i int32) string { return event.PauseCause(i).String() }},
	} {
		count := int32(len(e.contract))
		for i := range count {
			if got := prefix + e.name(i); got != e.contract[i] {
				t.Errorf("%d is %s here and %s in the contract", i, got, e.contract[i])
			}
		}
		if got := e.name(count); got != fmt.Sprint(count) {
			t.Errorf("%s%s is not in the contract", prefix, got)
		}
	}
	for _, c := range []struct{ here, contract int }{
		{int(event.TypeCount), len(pb.EventType_name)},
		{event.ReasonCount, len(pb.CloseReason_name)},
		{int(server.ListLive), int(pb.ListState_LIST_STATE_LIVE)},
		{int(server.ListClosed), int(pb.ListState_LIST_STATE_CLOSED)},
		{int(server.ListAll), int(pb.ListState_LIST_STATE_ALL)},
		{4, len(pb.ListState_name)},
	} {
		if c.here != c.contract {
			t.Errorf("%d here and %d in the contract", c.here, c.contract)
		}
	}
}
