package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// scoped are commands that talk about connections or nodes, without the flags of their scopes.
func scoped() []string {
	return []string{"list", "count", "broadcast hi", "kick --filter true --yes", "label --filter true a=1",
		"stream-events --after 0", "ban add 203.0.113.7", "ban list",
		"ban remove 203.0.113.7", "limits get", "limits set max-connections=1"}
}

// Every command sends the nodes that its flags name, and leaves other nodes less time than the call has.
func TestScopeOfEveryCommand(t *testing.T) {
	flags := map[string]*pb.Scope{
		"":                              {},
		" --node edge-2 --node edge-3":  {Nodes: []string{"edge-2", "edge-3"}},
		" --node edge-2,edge-3":         {Nodes: []string{"edge-2", "edge-3"}},
		" --local":                      {Local: true},
		" --require-all":                {RequireAll: true},
		" --node edge-2 --require-all":  {Nodes: []string{"edge-2"}, RequireAll: true},
		" --timeout 20s":                {NodeTimeout: durationpb.New(16 * time.Second)},
		" --timeout 1h --node edge-2":   {Nodes: []string{"edge-2"}, NodeTimeout: durationpb.New(time.Minute)},
		" --timeout 500ms --local":      {Local: true, NodeTimeout: durationpb.New(400 * time.Millisecond)},
		" --timeout 10s --require-all ": {RequireAll: true, NodeTimeout: durationpb.New(8 * time.Second)},
	}
	for extra, want := range flags {
		want = proto.CloneOf(want)
		if want.NodeTimeout == nil {
			want.NodeTimeout = durationpb.New(4 * time.Second)
		}
		words := scoped()
		if len(want.GetNodes()) == 0 {
			words = append(words, "get edge-1.1.1", "send edge-1.1.1 hi", "kick edge-1.1.1", "label edge-1.1.1 a=1")
		}
		for _, line := range words {
			var scopes []*pb.Scope
			run := against(t, fleetGateway(&scopes))
			code := run.run(strings.Fields(line + extra)...)
			if code == app.ExitUsage || len(scopes) == 0 {
				t.Fatalf("ctl %s%s: exit code %d, %d calls: %s", line, extra, code, len(scopes), run.stderr)
			}
			for _, got := range scopes {
				if !proto.Equal(got, want) {
					t.Errorf("ctl %s%s: scope %v, want %v", line, extra, got, want)
				}
			}
		}
	}
}

// Commands with scopes of their own.
func TestOtherScopes(t *testing.T) {
	for line, want := range map[string]string{
		"info":                          "[<nil>]",
		"info --node edge-2":            "[nodes:[edge-2]]",
		"nodes":                         "[]",
		"nodes --local":                 "[local]",
		"node list --local":             "[local]",
		"node forget edge-3 --yes":      "[]",
		"node forget edge-3 -y --local": "[local]",
		"shutdown --all --yes":          "[all]",
		"shutdown --local --yes":        "[local]",
		"shutdown --yes":                "[]",
		"shutdown --node edge-2 --yes":  "[nodes:[edge-2]]",
		"__complete list --node e":      "[local]",
	} {
		var scopes []*pb.Scope
		run := against(t, fleetGateway(&scopes))
		if code := run.run(strings.Fields(line)...); code == app.ExitUsage {
			t.Errorf("ctl %s: %s", line, run.stderr)
		}
		var got []string
		for _, s := range scopes {
			got = append(got, scopeText(s))
		}
		if text := fmt.Sprint(got); text != want {
			t.Errorf("ctl %s: scopes %s, want %s", line, text, want)
		}
	}
}

func scopeText(s *pb.Scope) string {
	switch {
	case s == nil:
		return "<nil>"
	case s.GetLocal():
		return "local"
	case s.GetAll():
		return "all"
	case len(s.GetNodes()) > 0:
		return fmt.Sprintf("nodes:%v", s.GetNodes())
	default:
		return ""
	}
}

// Contradictory flags are refused before a call is made.
func TestScopeUsage(t *testing.T) {
	many := make([]string, app.MaxNodes+1)
	for i := range many {
		many[i] = fmt.Sprintf("n%d", i)
	}
	tests := map[string]string{
		"get edge-1.1.1 --node edge-1":           "an ID says by itself",
		"send edge-1.1.1 x --node edge-1":        "an ID says by itself",
		"kick edge-1.1.1 --node edge-1":          "an ID says by itself",
		"label edge-1.1.1 a=1 --node e":          "an ID says by itself",
		"info --node a --node b":                 "info describes one gateway",
		"info --node A":                          `"A" is no node's name`,
		"info --local":                           "unknown flag: --local",
		"shutdown --yes --local --all":           "both --local and --all",
		"shutdown --yes --node a --all":          "both --node and --all",
		"shutdown --yes --node a --node b":       "shut down one node, or --all",
		"shutdown --yes --node a --local":        "both --node and --local",
		"list --all":                             "unknown flag: --all",
		"node":                                   "one of forget, list",
		"node forget":                            "the NAME of one node",
		"node forget edge-3":                     "pass --yes",
		"node forget edge_3 --yes":               "is no node's name",
		"nodes edge-1":                           "expects no arguments",
		"nodes --node edge-1":                    "unknown flag: --node",
		"list --node " + strings.Join(many, ","): "give at most 1000",
	}
	for _, line := range scoped() {
		tests[line+" --node edge-1 --local"] = "both --node and --local"
		tests[line+" --node edge-1 --node edge-1"] = "--node edge-1 is given twice"
		tests[line+" --node=Edge.1"] = "1 to 32 of a-z, 0-9 and -"
		tests[line+" --node="+strings.Repeat("a", 33)] = "1 to 32 of a-z, 0-9 and -"
	}
	for line, want := range tests {
		var scopes []*pb.Scope
		run := against(t, fleetGateway(&scopes))
		if code := run.run(strings.Fields(line)...); code != app.ExitUsage || !strings.Contains(run.stderr.String(), want) {
			t.Errorf("ctl %s: exit code %d: %s; expected %q", line, code, run.stderr, want)
		}
		if len(scopes) > 0 {
			t.Errorf("ctl %s: %d calls were made", line, len(scopes))
		}
	}
}

// The reasons of a fleet's errors have their exit codes and a remedy.
func TestFleetErrors(t *testing.T) {
	const look = "  ctl nodes shows how the nodes are\n"
	tests := []struct {
		args   string
		err    error
		code   int
		stderr string
	}{
		{"shutdown --yes", failure(codes.InvalidArgument, "in a fleet it has to be said which node", "NODE_REQUIRED", nil),
			app.ExitUsage,
			"ctl: in a fleet it has to be said which node (NODE_REQUIRED)\n  say which with --node NAME (ctl nodes lists " +
				"them), --local for the gateway that is asked, or --all\n"},
		{"list --node nope", failure(codes.InvalidArgument, `there is no node "nope"`, "UNKNOWN_NODE", nil), app.ExitUsage,
			"ctl: there is no node \"nope\" (UNKNOWN_NODE)\n"},
		{"node forget nope --yes", failure(codes.NotFound, `there is no node "nope"`, "UNKNOWN_NODE", nil), app.ExitNotFound,
			"ctl: there is no node \"nope\" (UNKNOWN_NODE)\n"},
		{"node forget edge-2 --yes", failure(codes.FailedPrecondition, "edge-2 was heard of 1 s ago", "NODE_LIVE", nil),
			app.ExitFailed, "ctl: edge-2 was heard of 1 s ago (NODE_LIVE)\n"},
		{"list --require-all", failure(codes.Unavailable, "3 of 5 nodes have not done it: edge-3 (UNREACHABLE), and more",
			"NODES_MISSING", map[string]string{"missing": "edge-3,edge-4,edge-5"}), app.ExitPartial,
			"ctl: 3 of 5 nodes have not done it: edge-3 (UNREACHABLE), and more (NODES_MISSING)\n  also missing: edge-4, " +
				"edge-5\n"},
		{"count --require-all", failure(codes.Unavailable, "1 of 2 nodes have not done it: edge-3 (LEFT)", "NODES_MISSING",
			map[string]string{"missing": "edge-3"}), app.ExitPartial,
			"ctl: 1 of 2 nodes have not done it: edge-3 (LEFT) (NODES_MISSING)\n"},
		{"info --node edge-3", failure(codes.Unavailable, "edge-3 cannot be reached", "NODE_UNREACHABLE", nil),
			app.ExitFailed, "ctl: edge-3 cannot be reached (NODE_UNREACHABLE)\n" + look},
		{"get edge-3.1.1", failure(codes.Unavailable, "edge-3 did not answer about edge-3.1.1", "NODE_TIMED_OUT", nil),
			app.ExitFailed,
			"ctl: edge-3 did not answer about edge-3.1.1 (NODE_TIMED_OUT)\n" + look},
		{"get edge-3.1.1 edge-3.1.2", failure(codes.Unavailable, "edge-3 refused", "NODE_REFUSED", nil), app.ExitFailed,
			"ctl: edge-3.1.1: edge-3 refused (NODE_REFUSED)\n" + look + "ctl: edge-3.1.2: edge-3 refused (NODE_REFUSED)\n" +
				look},
		{"get edge-9.1.1", failure(codes.NotFound, "edge-9.1.1: no node of that name", "UNKNOWN_NODE", nil), app.ExitNotFound,
			"ctl: edge-9.1.1: no node of that name (UNKNOWN_NODE)\n"},
		{"broadcast hi --require-all --request-id=7f000001-0000-4000-8000-000000000000",
			failure(codes.Unavailable, "edge-3 is missing", "NODES_MISSING", nil), app.ExitPartial,
			"ctl: it may have been carried out; within 2 minutes it is safe to repeat it with --request-id " +
				"7f000001-0000-4000-8000-000000000000\n" +
				"ctl: edge-3 is missing (NODES_MISSING)\n"},
	}
	for _, tt := range tests {
		calls := 0
		g := &fakeGateway{
			list: func(*pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error) {
				return nil, tt.err
			},
			count: func(*pb.CountConnectionsRequest) (*pb.CountConnectionsResponse, error) {
				return nil, tt.err
			},
			get:       func(*pb.GetConnectionRequest) (*pb.GetConnectionResponse, error) { return nil, tt.err },
			broadcast: func(*pb.BroadcastRequest) (*pb.BroadcastResponse, error) { calls++; return nil, tt.err },
			shutdown:  func(*pb.ShutdownRequest) (*pb.ShutdownResponse, error) { return nil, tt.err },
			forget:    func(*pb.ForgetNodeRequest) (*pb.ForgetNodeResponse, error) { return nil, tt.err },
			info:      func(*pb.GetGatewayRequest) (*pb.GetGatewayResponse, error) { return nil, tt.err },
		}
		against(t, g).expect(t, tt.code, "", tt.stderr, strings.Fields(tt.args)...)
		if calls > 1 {
			t.Errorf("ctl %s: %d attempts; expected one, for another would not fare better", tt.args, calls)
		}
	}
}

// One ID on a node that cannot be reached does not keep the others from being shown.
func TestGetGoesOnBehindASilentNode(t *testing.T) {
	g := &fakeGateway{get: func(r *pb.GetConnectionRequest) (*pb.GetConnectionResponse, error) {
		if strings.HasPrefix(r.GetId(), "edge-3.") {
			return nil, failure(codes.Unavailable, "edge-3 cannot be reached", "NODE_UNREACHABLE", nil)
		}
		return &pb.GetConnectionResponse{Connection: testConnection(r.GetId())}, nil
	}}
	against(t, g).expect(t, app.ExitPartial, "edge-1.1.1\n",
		"ctl: edge-3.1.1: edge-3 cannot be reached (NODE_UNREACHABLE)\n  ctl nodes shows how the nodes are\n",
		"get", "edge-3.1.1", "edge-1.1.1", "-o", "name")
}

// The names of nodes are offered where a name is wanted, but for those that are given.
func TestNodeCompletion(t *testing.T) {
	all := "edge-1\tLIVE\nedge-2\tDRAINING\nedge-3\tUNREACHABLE\n:4\n"
	for line, want := range map[string]string{
		"list --node ":                   all,
		"info --node edge-2":             "edge-2\tDRAINING\n:4\n",
		"shutdown --node edge-1 --node ": "edge-2\tDRAINING\nedge-3\tUNREACHABLE\n:4\n",
		"node forget ":                   all,
		"node forget edge-3 ":            ":4\n",
		"node ": "forget\tExpect no more answers from a node that is gone\nlist\tList the nodes " +
			"of the fleet and their states\n:4\n",
	} {
		var scopes []*pb.Scope
		run := against(t, fleetGateway(&scopes))
		if run.run(append([]string{"__complete"}, strings.Split(line, " ")...)...); run.stdout.String() != want {
			t.Errorf("%q completes to:\n%s\nwant:\n%s", line, run.stdout, want)
		}
	}
	run := &invocation{ctx: t.Context(), gateway: ctltest.Refused(t), stdout: ctltest.NewOutput(),
		stderr: ctltest.NewOutput()}
	if run.run("__complete", "list", "--node", ""); run.stdout.String() != ":4\n" {
		t.Errorf("without a gateway it completes to %q", run.stdout)
	}
}
