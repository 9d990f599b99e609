package cli

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestGet(t *testing.T) {
	g := &fakeGateway{get: func(req *pb.GetConnectionRequest) (*pb.GetConnectionResponse, error) {
		switch req.GetId() {
		case "edge-1.19ab0d3f1c2.42":
			return &pb.GetConnectionResponse{Connection: testConnection(req.GetId())}, nil
		case "edge-1.19ab0d3f1c2.43":
			return &pb.GetConnectionResponse{Connection: closedConnection(req.GetId())}, nil
		case "bad":
			return nil, failure(codes.InvalidArgument, `"bad" is not an ID`, "MALFORMED_ID", nil)
		case "secret":
			return nil, failure(codes.PermissionDenied, "not for you", "DENIED", nil)
		default:
			return nil, failure(codes.NotFound, "no connection "+req.GetId(), "CONNECTION_NOT_FOUND", nil)
		}
	}}
	const missing = "ctl: no connection x.1.1 (CONNECTION_NOT_FOUND)\n"
	tests := []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"get edge-1.19ab0d3f1c2.42 edge-1.19ab0d3f1c2.43", app.ExitDone, closedTable, ""},
		{"get edge-1.19ab0d3f1c2.42 -o json", app.ExitDone, openJSON, ""},
		{"get edge-1.19ab0d3f1c2.42 -o yaml", app.ExitDone, openYAML, ""},
		{"get edge-1.19ab0d3f1c2.42 -o name", app.ExitDone, "edge-1.19ab0d3f1c2.42\n", ""},
		{"get edge-1.19ab0d3f1c2.43 -o wide", app.ExitDone, closedWide, ""},
		{"get x.1.1", app.ExitNotFound, "", missing},
		{"get x.1.1 x.1.1", app.ExitNotFound, "", missing + missing},
		{"get x.1.1 edge-1.19ab0d3f1c2.42 -o name", app.ExitPartial, "edge-1.19ab0d3f1c2.42\n", missing},
		{"get bad", app.ExitUsage, "", "ctl: \"bad\" is not an ID (MALFORMED_ID)\n"},
		{"get secret edge-1.19ab0d3f1c2.42", app.ExitDenied, "", "ctl: not for you (DENIED)\n"},
	}
	for _, tt := range tests {
		against(t, g).expect(t, tt.code, tt.stdout, tt.stderr, strings.Fields(tt.args)...)
	}
}
