package control_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestCallLog checks that the log has each call once, with the code that its caller got, at the level of its severity.
func TestCallLog(t *testing.T) {
	g := gatewaytest.Start(t)
	for _, c := range []struct {
		before  error
		panics  bool
		request proto.Message
		code    codes.Code
		level   string
	}{
		{request: &pb.ListConnectionsRequest{}, code: codes.OK, level: "debug"},
		{request: &pb.ListConnectionsRequest{PageSize: -1}, code: codes.InvalidArgument, level: "debug"},
		{request: &pb.StreamEventsRequest{MaxDataBytes: -1}, code: codes.InvalidArgument, level: "debug"},
		{request: &pb.StreamEventsRequest{After: "x"}, code: codes.InvalidArgument, level: "debug"},
		{request: &pb.GetConnectionRequest{Id: oneID}, code: codes.NotFound, level: "debug"},
		{request: &pb.ListConnectionsRequest{}, before: errors.New("broken"), code: codes.Internal, level: "error"},
		{request: &pb.ListConnectionsRequest{}, panics: true, code: codes.Internal, level: "error"},
		{request: &pb.StreamEventsRequest{}, panics: true, code: codes.Internal, level: "error"},
	} {
		var log lockedBuffer
		t.Run("", func(t *testing.T) { // so that the server has ended before the log is read
			conn, _ := serve(t, stub{g.Server, func(context.Context) error {
				if c.panics {
					panic("here")
				}
				return c.before
			}}, control.Config{Logger: hclog.New(&hclog.LoggerOptions{Output: &log, JSONFormat: true, Level: hclog.Debug})})
			_, err := call(patiently(t), pb.NewGatewayServiceClient(conn), c.request)
			if got := failureCode(err); got != c.code {
				t.Errorf("%T: code %s: %v", c.request, got, err)
			}
		})
		var calls []map[string]any
		for lines := bufio.NewScanner(strings.NewReader(log.String())); lines.Scan(); {
			var line map[string]any
			check(t, json.Unmarshal(lines.Bytes(), &line))
			if line["grpc.code"] != nil {
				calls = append(calls, line)
			}
		}
		if len(calls) != 1 || calls[0]["grpc.code"] != c.code.String() || calls[0]["@level"] != c.level ||
			calls[0]["grpc.method"] == "" {
			t.Errorf("%T: %v; expected one line with %s at %s", c.request, calls, c.code, c.level)
		}
	}
}
