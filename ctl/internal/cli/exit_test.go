package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestExitCodeOfEveryStatus(t *testing.T) {
	want := map[codes.Code]int{
		codes.OK: 0, codes.Canceled: 1, codes.Unknown: 1, codes.InvalidArgument: 2, codes.DeadlineExceeded: 1,
		codes.NotFound: 4, codes.AlreadyExists: 1, codes.PermissionDenied: 5, codes.ResourceExhausted: 1,
		codes.FailedPrecondition: 1, codes.Aborted: 1, codes.OutOfRange: 2, codes.Unimplemented: 1, codes.Internal: 1,
		codes.Unavailable: 6, codes.DataLoss: 1, codes.Unauthenticated: 5,
	}
	for code, exit := range want {
		g := &fakeGateway{gateway: func() (*pb.GetGatewayResponse, error) {
			return &pb.GetGatewayResponse{}, status.Error(code, "because")
		}}
		run := against(t, g)
		if got := run.run("info"); got != exit {
			t.Errorf("%s: exit code %d, want %d", code, got, exit)
		}
		if text := run.stderr.String(); (text == "") != (exit == 0) || exit != 0 && !strings.HasPrefix(text, "ctl: ") {
			t.Errorf("%s: stderr %q", code, text)
		}
	}
}

func TestExitCodeOfEveryOutcome(t *testing.T) {
	want := []int{1, 0, 0, 1, 1, 4, 1, 4, 0, 0, 0, 0, 1, 2, 4, 1, 1, 1}
	if len(want) != len(pb.Outcome_name) {
		t.Fatalf("%d exit codes for %d outcomes", len(want), len(pb.Outcome_name))
	}
	for n := range pb.Outcome_name {
		if got := app.OutcomeExitCode(pb.Outcome(n)); got != want[n] {
			t.Errorf("%s: exit code %d, want %d", pb.Outcome(n), got, want[n])
		}
	}
}

func TestUnreachable(t *testing.T) {
	run := &invocation{ctx: t.Context(), gateway: ctltest.Refused(t), stdout: ctltest.NewOutput(),
		stderr: ctltest.NewOutput()}
	run.expect(t, app.ExitUnreachable, "",
		"ctl: cannot reach the gateway at GATEWAY: dial tcp GATEWAY: connect: connection refused; "+
			"is it running? Name another with --gateway ADDR or SOCKGATE_GATEWAY\n", "list")
}

// A listener that accepts and says nothing is no gateway.
func TestDeadlineWhileConnectingIsUnreachable(t *testing.T) {
	for _, args := range [][]string{{"info"}, {"events"}} {
		run := &invocation{ctx: t.Context(), gateway: ctltest.Listen(t).Addr().String(), stdout: ctltest.NewOutput(),
			stderr: ctltest.NewOutput()}
		if code := run.run(append(args, "--timeout", "100ms")...); code != app.ExitUnreachable {
			t.Errorf("%q: exit code %d: %s", args, code, run.stderr)
		}
		run.stderr.Await(t, "cannot reach the gateway")
	}
}

func TestDeadlineOfASlowGatewayIsAFailure(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	g := &fakeGateway{gateway: func() (*pb.GetGatewayResponse, error) { <-release; return nil, errBroken }}
	run := against(t, g)
	run.expect(t, app.ExitFailed, "", "ctl: the gateway at GATEWAY did not answer in time; allow it more with --timeout\n",
		"info", "--timeout", "300ms")
}

func TestErrorTexts(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		filter string
		code   int
		stderr string
	}{
		{
			"filter with position", failure(codes.InvalidArgument, "undeclared reference to 'bytes_recieved'", "INVALID_FILTER",
				map[string]string{"line": "1", "column": "9"}),
			"true && bytes_recieved > 10", app.ExitUsage,
			"ctl: undeclared reference to 'bytes_recieved' (INVALID_FILTER)\n  true && bytes_recieved > 10\n          ^\n",
		},
		{
			"second line", failure(codes.InvalidArgument, "syntax error", "INVALID_FILTER",
				map[string]string{"line": "2", "column": "99"}),
			"true &&\nfälse", app.ExitUsage, "ctl: syntax error (INVALID_FILTER)\n  fälse\n       ^\n",
		},
		{
			"position out of range", failure(codes.InvalidArgument, "syntax error", "INVALID_FILTER",
				map[string]string{"line": "7", "column": "1"}),
			"x", app.ExitUsage, "ctl: syntax error (INVALID_FILTER)\n",
		},
		{
			"fields", failure(codes.InvalidArgument, "page_size is out of bounds", "OUT_OF_BOUNDS", nil, &errdetails.BadRequest{
				FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "page_size", Description: "-1 is negative"}},
			}), "", app.ExitUsage, "ctl: page_size is out of bounds (OUT_OF_BOUNDS)\n  page_size: -1 is negative\n",
		},
		{
			"retry", failure(codes.ResourceExhausted, "too many", "TOO_MANY_REQUEST_IDS", nil,
				&errdetails.RetryInfo{RetryDelay: durationpb.New(2 * time.Second)}),
			"", app.ExitFailed, "ctl: too many (TOO_MANY_REQUEST_IDS)\n  try again in 2s\n",
		},
		{"without details", status.Error(codes.PermissionDenied, "not you\x1b[2J"), "", app.ExitDenied,
			"ctl: not you\\x1b[2J (PermissionDenied)\n"},
		{"unavailable, says the gateway", failure(codes.Unavailable, "draining", "DRAINING", nil), "", app.ExitUnreachable,
			"ctl: draining (DRAINING)\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := &fakeGateway{list: func(*pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error) {
				return nil, tt.err
			}}
			against(t, g).expect(t, tt.code, "", tt.stderr, "list", "--filter", tt.filter)
			g.stream = func(*pb.StreamEventsRequest, eventStream) error { return tt.err }
			against(t, g).expect(t, tt.code, "", tt.stderr, "events", "--filter", tt.filter)
		})
	}
}

func TestUsageErrors(t *testing.T) {
	tests := []struct {
		args  string
		words string // that the message has
		help  string
	}{
		{"frobnicate", `unknown command "frobnicate"`, "ctl"},
		{"list --nosuch", "unknown flag: --nosuch", "ctl list"},
		{"list extra", "expects no arguments", "ctl list"},
		{"list --state dead", "live, closed or all", "ctl list"},
		{"list --limit -1", "--limit -1", "ctl list"},
		{"list -o xml", "table, wide, json, yaml, name", "ctl list"},
		{"list --timeout 0s", "positive duration", "ctl list"},
		{"list --timeout soon", "invalid argument", "ctl list"},
		{"list --gateway nowhere", "host:port", "ctl list"},
		{"list --gateway http://127.0.0.1:8018", "host:port", "ctl list"},
		{"get", "at least an ID", "ctl get"},
		{"send n.1.1", "an ID and TEXT", "ctl send"},
		{"send n.1.1 x --wait never", "queued or written", "ctl send"},
		{"send n.1.1 x --wait-timeout 1s", "--wait written", "ctl send"},
		{"send n.1.1 x --wait written --wait-timeout 2m", "0 to 1m", "ctl send"},
		{"send n.1.1 x --encoding rot13", "utf8, hex, base64", "ctl send"},
		{"send n.1.1 4x --encoding hex", "is not hex", "ctl send"},
		{"send n.1.1 a --encoding base64", "is not base64", "ctl send"},
		{"send n.1.1 -", "nothing to send", "ctl send"},
		{"broadcast", "TEXT (or - for stdin)", "ctl broadcast"},
		{"broadcast hi -o name", "prints IDs", "ctl broadcast"},
		{"list --watch --state closed", "closed ones do not change", "ctl list"},
		{"events --no-follow --data", "are not kept", "ctl stream-events"},
		{"kick", "no connection was named", "ctl kick"},
		{"kick n.1.1 --filter true", "one of the two ways", "ctl kick"},
		{"kick --filter=", "--filter true", "ctl kick"},
		{"kick --filter true", "pass --yes", "ctl kick"},
		{"kick n.1.1 --flush-timeout 31s", "0 to 30s", "ctl kick"},
		{"label n.1.1", "no label was given", "ctl label"},
		{"label room=7", "no connection was named", "ctl label"},
		{"label n.1.1 =7", "has no key", "ctl label"},
		{"label n.1.1 a=1 a=2", "two values", "ctl label"},
		{"label n.1.1 a=1 a-", "both set and removed", "ctl label"},
		{"events --type NOPE", "CONNECTED, DATA", "ctl stream-events"},
		{"events --snapshot --after 0", "exclude each other", "ctl stream-events"},
		{"events --data --max-data-bytes 70000", "1 to 65536", "ctl stream-events"},
		{"events --limit -1", "--limit -1", "ctl stream-events"},
		{"shutdown", "pass --yes", "ctl shutdown"},
		{"shutdown --yes --grace 25h", "0s to 24h", "ctl shutdown"},
		{"info extra", "no arguments", "ctl info"},
		{"dial", "one ADDR", "ctl dial"},
		{"dial nowhere", "host:port", "ctl dial"},
		{"dial --name a --name a localhost:1", "given twice", "ctl dial"},
		{"dial --name a --name b --send x --send y --send z localhost:1", "3 times for 2 names", "ctl dial"},
		{"dial --timeout -1s localhost:1", "--timeout -1s", "ctl dial"},
		{"dial --timeout-action explode localhost:1", "notify or close", "ctl dial"},
		{"dial --encoding latin1 localhost:1", "utf8, hex, base64", "ctl dial"},
		{"dial --send zz --send-encoding hex localhost:1", "is not hex", "ctl dial"},
		{"dial -o name localhost:1", "-o name", "ctl dial"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			run := against(t, &fakeGateway{})
			if code := run.run(strings.Fields(tt.args)...); code != app.ExitUsage {
				t.Errorf("exit code %d", code)
			}
			text := run.stderr.String()
			if !strings.HasPrefix(text, "ctl: ") || !strings.Contains(text, tt.words) ||
				!strings.HasSuffix(text, "Run '"+tt.help+" --help' for usage.\n") {
				t.Errorf("stderr %q lacks %q", text, tt.words)
			}
			if run.stdout.String() != "" {
				t.Errorf("stdout %q", run.stdout)
			}
		})
	}
}

// A reader that has closed the output, as `head` does, is no failure.
func TestBrokenPipeIsQuiet(t *testing.T) {
	run := against(t, &fakeGateway{gateway: func() (*pb.GetGatewayResponse,
		error) {
		return &pb.GetGatewayResponse{}, nil
	}})
	run.stdout.FailWith(fmt.Errorf("write /dev/stdout: %w", syscall.EPIPE))
	run.expect(t, app.ExitFailed, "", "", "info")
}

func TestFullDiskIsNotQuiet(t *testing.T) {
	run := against(t, &fakeGateway{gateway: func() (*pb.GetGatewayResponse,
		error) {
		return &pb.GetGatewayResponse{}, nil
	}})
	run.stdout.FailWith(errors.New("no space left on device"))
	run.expect(t, app.ExitFailed, "", "ctl: no space left on device\n", "info")
}

func TestInterruptOfACall(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	release := make(chan struct{})
	defer close(release)
	g := &fakeGateway{gateway: func() (*pb.GetGatewayResponse, error) {
		cancel()
		<-release
		return nil, errBroken
	}}
	run := against(t, g)
	run.ctx = ctx
	run.expect(t, app.ExitFailed, "", "ctl: interrupted before the gateway answered\n", "info")
}
