package cli

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestCount(t *testing.T) {
	all := &pb.CountConnectionsResponse{Count: 1234567, TotalSize: 2000000, Cursor: "edge-1.19ab0d3f1c2@42"}
	rooms := proto.CloneOf(all)
	rooms.Groups = []*pb.ConnectionGroup{{Value: "lobby", Count: 1000000}, {Count: 234000},
		{Value: "\x1b[31m", Count: 560}}
	rooms.Other = 7
	const more = "ctl: 7 connections more, in smaller groups than these\n"
	tests := []struct {
		args   string
		answer *pb.CountConnectionsResponse
		stdout string
		stderr string
	}{
		{"count", all, "COUNT\n1234567\n", ""},
		{"count -o wide", all, "COUNT     LIVE      CURSOR\n1234567   2000000   edge-1.19ab0d3f1c2@42\n", ""},
		{"count -o name", all, "1234567\n", ""},
		{"count -o json", all, `{"count":"1234567","totalSize":"2000000","cursor":"edge-1.19ab0d3f1c2@42","groups":[],"other":"0"}` + "\n", ""},
		{"count -o yaml", all, "---\ncount: \"1234567\"\ntotalSize: \"2000000\"\ncursor: edge-1.19ab0d3f1c2@42\ngroups: " +
			"[]\nother: \"0\"\n", ""},
		{"count --by labels.room", rooms,
			"LABELS.ROOM   COUNT\nlobby         1000000\n-             234000\n\\x1b[31m      560\n", more},
		{"count --by labels.room -o wide", rooms,
			"LABELS.ROOM   COUNT\nlobby         1000000\n-             234000\n\\x1b[31m      560\n", more},
		{"count --by labels.room -o name", rooms, "lobby\n\n\\x1b[31m\n", more},
		{"count --by labels.room -o json", rooms,
			`{"count":"1234567","totalSize":"2000000","cursor":"edge-1.19ab0d3f1c2@42","groups":[` +
				`{"value":"lobby","count":"1000000"},{"value":"","count":"234000"},{"value":"\u001b[31m","count":"560"}],"other":"7"}` + "\n", more},
		{"count --by state", &pb.CountConnectionsResponse{}, "STATE   COUNT\n", ""},
	}
	for _, tt := range tests {
		g := &fakeGateway{count: func(*pb.CountConnectionsRequest) (*pb.CountConnectionsResponse, error) {
			return tt.answer, nil
		}}
		against(t, g).expect(t, app.ExitDone, tt.stdout, tt.stderr, strings.Fields(tt.args)...)
	}
}

func TestCountRequest(t *testing.T) {
	g := &fakeGateway{count: func(req *pb.CountConnectionsRequest) (*pb.CountConnectionsResponse, error) {
		want := &pb.CountConnectionsRequest{Filter: "true", State: pb.ListState_LIST_STATE_ALL,
			By:    "labels.x",
			Scope: &pb.Scope{NodeTimeout: durationpb.New(4 * time.Second)}}
		if !proto.Equal(req, want) {
			t.Errorf("request %v; expected %v", req, want)
		}
		return nil, failure(codes.InvalidArgument, "by: nothing to group by", "OUT_OF_BOUNDS", nil)
	}}
	against(t, g).expect(t, app.ExitUsage, "", "ctl: by: nothing to group by (OUT_OF_BOUNDS)\n", "count", "--filter",
		"true", "--state", "all", "--by", "labels.x")
	run := against(t, g)
	if code := run.run("count", "--state", "open"); code != app.ExitUsage ||
		!strings.Contains(run.stderr.String(), "use live, closed or all") {
		t.Errorf("exit code %d, stderr %q", code, run.stderr.String())
	}
}
