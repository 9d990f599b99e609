package cli

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestBroadcast(t *testing.T) {
	good := &pb.BroadcastResponse{Matched: 3, Written: 2, Queued: 1}
	bad := &pb.BroadcastResponse{Matched: 3, Written: 1, Dropped: 1, Closed: 1, Replayed: true,
		Failures: []*pb.TargetOutcome{
			{Id: "n.1.1", Outcome: pb.Outcome_OUTCOME_DROPPED_QUEUE_FULL}, {Id: "n.1.2",
				Outcome: pb.Outcome_OUTCOME_CLOSED, UnsentBytes: 2},
		}}
	badText := "ctl: n.1.1: dropped whole, because its send queue is full\n" +
		"ctl: n.1.2: the connection is closed or closing (2 bytes were not sent)\nctl: 2 of 3 connections did not get it\n"
	tests := []struct {
		resp   *pb.BroadcastResponse
		format string
		code   int
		stdout string
		stderr string
	}{
		{good, "table", 0, "MATCHED   WRITTEN   QUEUED   DROPPED   CLOSED   REPLAYED\n3         2         1        0       " +
			"  0        false\n", ""},
		{bad, "table", 3, "MATCHED   WRITTEN   QUEUED   DROPPED   CLOSED   REPLAYED\n3         1         0        1        " +
			" 1        true\n", badText},
		{good, "json", 0, `{"matched":"3","written":"2","queued":"1","dropped":"0","closed":"0","failures":[],"replayed":false}` + "\n", ""},
		{good, "yaml", 0, "---\nmatched: \"3\"\nwritten: \"2\"\nqueued: \"1\"\ndropped: \"0\"\nclosed: \"0\"\nfailures: " +
			"[]\nreplayed: false\n", ""},
	}
	for _, tt := range tests {
		var got *pb.BroadcastRequest
		g := &fakeGateway{broadcast: func(req *pb.BroadcastRequest) (*pb.BroadcastResponse, error) {
			got = req
			return tt.resp, nil
		}}
		against(t, g).expect(t, tt.code, tt.stdout, tt.stderr, "broadcast", "hi", "-n", "--filter", "true", "--exclude",
			"n.1.8", "--exclude", "n.1.9", "-o", tt.format)
		uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
		if string(got.GetData()) != "hi\n" || got.GetFilter() != "true" ||
			fmt.Sprint(got.GetExcludeIds()) != "[n.1.8 n.1.9]" || !uuid.MatchString(got.GetRequestId()) {
			t.Errorf("request %v", got)
		}
	}
}

func TestBroadcastRetriesWithTheSameRequestID(t *testing.T) {
	for _, requestID := range []string{"7f000001-0000-4000-8000-000000000000", ""} {
		var ids []string
		g := &fakeGateway{broadcast: func(req *pb.BroadcastRequest) (*pb.BroadcastResponse, error) {
			if ids = append(ids, req.GetRequestId()); len(ids) < 3 {
				return nil, errBroken
			}
			return &pb.BroadcastResponse{}, nil
		}}
		code := against(t, g).run("broadcast", "hi", "--request-id", requestID)
		if requestID != "" && (code != 0 || strings.Join(ids, " ") != requestID+" "+requestID+" "+requestID) {
			t.Errorf("exit code %d, request IDs %q", code, ids)
		}
		if requestID == "" && (code != app.ExitUnreachable || len(ids) != 1) {
			t.Errorf("without a request ID: exit code %d, %d attempts", code, len(ids))
		}
	}
	run := &invocation{ctx: t.Context(), gateway: ctltest.Refused(t), stdout: ctltest.NewOutput(),
		stderr: ctltest.NewOutput()}
	if code := run.run("broadcast", "hi"); code != app.ExitUnreachable {
		t.Errorf("unreachable: exit code %d", code)
	}
	run.stderr.Await(t, "safe to repeat it with --request-id ")
}
