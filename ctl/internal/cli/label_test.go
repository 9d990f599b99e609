package cli

import (
	"fmt"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestLabel(t *testing.T) {
	var got *pb.SetLabelsRequest
	resp := &pb.SetLabelsResponse{Matched: 2, Labeled: 1, Refused: 1, Outcomes: []*pb.TargetOutcome{
		{Id: "n.1.1", Outcome: pb.Outcome_OUTCOME_LABELED}, {Id: "n.1.2",
			Outcome: pb.Outcome_OUTCOME_TOO_MANY_LABELS},
	}}
	g := &fakeGateway{labels: func(req *pb.SetLabelsRequest) (*pb.SetLabelsResponse, error) {
		got = req
		return resp, nil
	}}
	const refusal = "ctl: n.1.2: it would have more than 16 labels; nothing was changed\n"
	tests := map[string]string{
		"table": "ID      OUTCOME           UNSENT\nn.1.1   LABELED           0B\nn.1.2   TOO_MANY_LABELS   0B\n",
		"name":  "n.1.1\n",
		"json": `{"outcomes":[{"id":"n.1.1","outcome":"OUTCOME_LABELED","unsentBytes":"0"},{"id":"n.1.2","outcome":"OUTCOME_TOO_MANY_LABELS","unsentBytes":"0"}],` +
			`"matched":"2","labeled":"1","closed":"0","notFound":"0","refused":"1"}` + "\n",
	}
	for format, stdout := range tests {
		against(t, g).expect(t, app.ExitPartial, stdout, refusal, "label", "n.1.1", "room=7", "n.1.2", "old-", "url=a=b-",
			"-o", format)
		if fmt.Sprint(got.GetConnectionIds(), got.GetSet(), got.GetRemove()) != "[n.1.1 n.1.2] map[room:7 url:a=b-] [old]" {
			t.Errorf("request %v", got)
		}
	}
	against(t, g).expect(t, app.ExitPartial, "MATCHED   LABELED   CLOSED   NOT-FOUND   REFUSED\n2         1         0   "+
		"     0           1\n", refusal, "label", "--filter", "true", "a=1")
	if got.GetFilter() != "true" || len(got.GetConnectionIds()) != 0 {
		t.Errorf("request %v", got)
	}
	resp = &pb.SetLabelsResponse{}
	against(t, g).expect(t, app.ExitDone, "", "ctl: no connection matches\n", "label", "--filter", "false", "a=1", "-o",
		"name")
}
