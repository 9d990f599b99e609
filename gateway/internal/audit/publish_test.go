package audit_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/audit"
)

// TestPublish holds that the event and the line have the mutation, with its texts cut to their bounds.
func TestPublish(t *testing.T) {
	var lines bytes.Buffer
	log := event.NewLog(event.Origin{Node: "n", Incarnation: "1"}, 256)
	sub, err := log.Subscribe(event.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	ids := slices.Repeat([]string{strings.Repeat("x", audit.MaxID+1)}, audit.MaxIDs+1)
	audit.Publish(log, hclog.New(&hclog.LoggerOptions{Output: &lines}), &event.ControlDetail{Verb: "Kick", IDs: ids,
		Reason: strings.Repeat("r", event.MaxText+1), Matched: 3,
		Actor: event.Actor{Identity: "alice", RequestID: "request-1"}})
	d := sub.Poll(nil)[0].Detail.(*event.ControlDetail)
	if len(d.IDs) != audit.MaxIDs || len(d.IDs[0]) != audit.MaxID || len(d.Reason) != event.MaxText ||
		d.RequestID != "request-1" {
		t.Errorf("%d IDs, the first of %d bytes, a reason of %d, request %q", len(d.IDs), len(d.IDs[0]), len(d.Reason),
			d.RequestID)
	}
	for _, want := range []string{"verb=Kick", `actor="alice"`, `request-id="request-1"`, "matched=3"} {
		if !strings.Contains(lines.String(), want) {
			t.Errorf("the line has no %s: %.200s", want, lines.String())
		}
	}
}

// TestFieldsLeavesOutTargets holds that a mutation without connections for targets has no count of them.
func TestFieldsLeavesOutTargets(t *testing.T) {
	for verb, counted := range map[string]bool{"Kick": true, "AddBan": true, "UpdateLimits": false, "RemoveBan": false} {
		if got := slices.Contains(audit.Fields(&event.ControlDetail{Verb: verb}), any("matched")); got != counted {
			t.Errorf("%s: matched is there: %v; expected %v", verb, got, counted)
		}
	}
}
