package cli

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	silentNodes3 = "edge-3   UNREACHABLE   0s     "
	plainNodes   = "\nNODE     STATUS        TIME\nedge-1   OK            2ms\nedge-2   OK            2ms\nedge-3   " +
		"UNREACHABLE   0s\n"

	fleetJSON = `"fleet":{"complete":false,"expected":3,"answered":2,"nodes":[` +
		`{"node":"edge-1","status":"NODE_STATUS_OK","elapsed":"0.001500s","message":"","counts":COUNTS},` +
		`{"node":"edge-2","status":"NODE_STATUS_OK","elapsed":"0.001500s","message":"","counts":COUNTS},` +
		`{"node":"edge-3","status":"NODE_STATUS_UNREACHABLE","elapsed":"0s","message":"nothing heard of it for 12 s","counts":{}}]}`
)

// The other nodes' results are shown in every format, the missing node is named, and the end is partial.
func TestRepliesOfAFleet(t *testing.T) {
	tests := []struct{ args, stdout string }{
		{"list -o name", "edge-1.1.1\nedge-2.1.1\n"},
		{"count", "COUNT\n5\n"},
		{"count -o name", "5\n"},
		{"count -o wide", "COUNT   LIVE   CURSOR\n5       6      edge-1.1@7,edge-2.1@9\n\nNODE     STATUS        TIME   " +
			"COUNT\nedge-1   OK            2ms    2\nedge-2   OK            2ms    3\n" + silentNodes3 + "-\n"},
		{"count --by listener", "LISTENER   COUNT\nmain       5\n"},
		{"count --by listener -o wide", "LISTENER   COUNT\nmain       5\n\nNODE     STATUS        TIME   COUNT\nedge-1   " +
			"OK            2ms    2\nedge-2   OK            2ms    3\n" + silentNodes3 + "-\n"},
		{"broadcast hi", "MATCHED   WRITTEN   QUEUED   DROPPED   CLOSED   REPLAYED\n5         4         1        0         " +
			"0        false\n"},
		{"broadcast hi -o wide", "MATCHED   WRITTEN   QUEUED   DROPPED   CLOSED   REPLAYED\n5         4         1        0 " +
			"        0        false\n\n" +
			"NODE     STATUS        TIME   MATCHED   WRITTEN   QUEUED   DROPPED   CLOSED\nedge-1   OK            2ms    2     " +
			"    1         1        0         0\n" +
			"edge-2   OK            2ms    3         3         0        0         0\n" + silentNodes3 +
			"-         -         -        -         -\n"},
		{"broadcast hi -o json", `{"matched":"5","written":"4","queued":"1","dropped":"0","closed":"0","failures":[],"replayed":false,` + fleetJSON + "}\n"},
		{"kick --filter true --yes", "MATCHED   KICKED   CLOSED   NOT-FOUND\n5         5        0        0\n"},
		{"kick --filter true --yes -o wide", "MATCHED   KICKED   CLOSED   NOT-FOUND\n5         5        0        0\n\n" +
			"NODE     STATUS        TIME   MATCHED   KICKED   CLOSED   NOT-FOUND\nedge-1   OK            2ms    2         2   " +
			"     0        0\n" +
			"edge-2   OK            2ms    3         3        0        0\n" + silentNodes3 + "-         -        -        -\n"},
		{"kick --filter true --yes -o json",
			`{"outcomes":[],"matched":"5","kicked":"5","closed":"0","notFound":"0","banned":[],` + fleetJSON + "}\n"},
		{"label --filter true a=1",
			"MATCHED   LABELED   CLOSED   NOT-FOUND   REFUSED\n5         5         0        0           0\n"},
		{"label --filter true a=1 -o wide",
			"MATCHED   LABELED   CLOSED   NOT-FOUND   REFUSED\n5         5         0        0           0\n\n" +
				"NODE     STATUS        TIME   MATCHED   LABELED   CLOSED   NOT-FOUND   REFUSED\nedge-1   OK            2ms    2 " +
				"        2         0        0           0\n" +
				"edge-2   OK            2ms    3         3         0        0           0\n" + silentNodes3 +
				"-         -         -        -           -\n"},
		{"label --filter true a=1 -o json",
			`{"outcomes":[],"matched":"5","labeled":"5","closed":"0","notFound":"0","refused":"0",` + fleetJSON + "}\n"},
		{"limits get max-connections", "NAME              VALUE\nmax-connections   100\n"},
		{"limits get max-connections -o wide", "NAME              VALUE\nmax-connections   100\n" + plainNodes},
		{"limits get max-connections -o name", "max-connections\n"},
		{"limits get max-connections -o json",
			`{"limits":{"maxConnections":"100"},"nodes":[{"node":"edge-1","limits":{"maxConnections":"100"}},{"node":"edge-2","limits":{"maxConnections":"100"}}],` + fleetJSON + "}\n"},
		{"limits set max-connections=1 high-water=1", "NAME              VALUE   NODES\nmax-connections   100     " +
			"edge-1\nmax-connections   50      edge-2\nhigh-water        none    all\n"},
		{"ban add 203.0.113.7", "TARGET           EXPIRES   CLOSED   REPLACED\n203.0.113.7/32   never     4        false\n"},
		{"ban add 203.0.113.7 -o wide",
			"TARGET           EXPIRES   CLOSED   REPLACED\n203.0.113.7/32   never     4        false\n\n" +
				"NODE     STATUS        TIME   CLOSED\nedge-1   OK            2ms    1\nedge-2   OK            2ms    3\n" +
				silentNodes3 + "-\n"},
		{"ban add 203.0.113.7 -o json",
			`{"ban":{"target":"203.0.113.7/32","identity":false,"reason":"","createdBy":"","createdAt":"2026-03-04T10:31:02.123Z","refused":"0","node":"edge-1"},` +
				`"replaced":false,"durable":true,"closed":"4",` + fleetJSON + "}\n"},
		{"ban list", "TARGET           EXPIRES   REASON   BY   REFUSED   NODE\n203.0.113.7/32   never     -        -    0  " +
			"       edge-1\n203.0.113.7/32   never     -        -    0         edge-2\n"},
		{"ban list -o name", "203.0.113.7/32\n"},
		{"ban remove 203.0.113.7",
			"TARGET           EXPIRES   REASON   BY   REFUSED\n203.0.113.7/32   never     -        -    0\n"},
		{"ban remove 203.0.113.7 -o wide", "TARGET           EXPIRES   REASON   BY   REFUSED   IDENTITY   " +
			"CREATED\n203.0.113.7/32   never     -        -    0         false      2026-03-04T10:31:02.123Z\n" + plainNodes},
		{"ban remove 203.0.113.7 -o json",
			`{"ban":{"target":"203.0.113.7/32","identity":false,"reason":"","createdBy":"","createdAt":"2026-03-04T10:31:02.123Z","refused":"0","node":"edge-1"},` + fleetJSON + "}\n"},
		{"shutdown --all --yes", "DRAIN     DEADLINE                   CONNECTIONS\nstarted   2026-03-04T10:31:02.123Z   " +
			"5\n"},
		{"shutdown --all --yes -o json", `{"joined":false,"deadline":"2026-03-04T10:31:02.123Z","connections":"5",` +
			fleetJSON + "}\n"},
	}
	counts := regexp.MustCompile(`("elapsed":"0.001500s","message":"","counts":){[^}]*}`)
	for _, tt := range tests {
		var scopes []*pb.Scope
		run := against(t, fleetGateway(&scopes))
		code := run.run(strings.Fields(tt.args)...)
		if got := counts.ReplaceAllString(run.stdout.String(), "${1}COUNTS"); code != app.ExitPartial || got != tt.stdout {
			t.Errorf("ctl %s: exit code %d\n%s\nwant:\n%s", tt.args, code, got, tt.stdout)
		}
		if got := run.stderr.String(); got != silentText {
			t.Errorf("ctl %s: stderr %q; expected the node once", tt.args, got)
		}
	}
}

// The counts of nodes are in JSON as the contract has them, and in YAML.
func TestNodeCountsForPrograms(t *testing.T) {
	for format, want := range map[string]string{
		"json": `"message":"","counts":{"matched":"2","queued":"1","written":"1"}}`,
		"yaml": "      counts:\n        matched: \"3\"\n        written: \"3\"\n",
	} {
		var scopes []*pb.Scope
		run := against(t, fleetGateway(&scopes))
		if run.run("broadcast", "hi", "-o", format); !strings.Contains(run.stdout.String(), want) {
			t.Errorf("%s:\n%s", format, run.stdout)
		}
	}
}

// The failure of a single target takes precedence over a partial reply, and ctl reports both.
func TestTargetsOfAFleet(t *testing.T) {
	const unreachable = "ctl: edge-3.1.1: the node that has it cannot be reached; nothing was done\n"
	tests := []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"send edge-3.1.1 hi", app.ExitFailed, "ID           OUTCOME   QUEUED   UNSENT\nedge-3.1.1   UNKNOWN   0B       0B\n",
			"ctl: edge-3.1.1: what happened cannot be known\nctl: edge-3 did not answer: TIMED_OUT (not within 2ms; what it " +
				"did is not known)\n"},
		{"kick edge-2.1.1 edge-3.1.1 -o name", app.ExitPartial, "edge-2.1.1\n", unreachable +
			"ctl: 2 matched: 1 kicked, 1 on nodes that cannot be reached\n" + silentText},
		{"kick edge-2.1.1 edge-3.1.1 -o wide", app.ExitPartial, "ID           OUTCOME            UNSENT\nedge-2.1.1   " +
			"KICKED             0B\nedge-3.1.1   NODE_UNREACHABLE   0B\n\n" +
			"NODE     STATUS        TIME   MATCHED   KICKED   CLOSED   NOT-FOUND\nedge-2   OK            2ms    1         1   " +
			"     0        0\nedge-3   UNREACHABLE   2ms    -         -        -        -\n",
			unreachable + "ctl: 2 matched: 1 kicked, 1 on nodes that cannot be reached\n" + silentText},
		{"get edge-1.1.1 -o name", app.ExitDone, "edge-1.1.1\n", ""},
	}
	for _, tt := range tests {
		var scopes []*pb.Scope
		against(t, fleetGateway(&scopes)).expect(t, tt.code, tt.stdout, tt.stderr, strings.Fields(tt.args)...)
	}
	for outcome, sentence := range map[pb.Outcome]string{
		pb.Outcome_OUTCOME_NODE_UNREACHABLE: "the node that has it cannot be reached; nothing was done",
		pb.Outcome_OUTCOME_NODE_REFUSED:     "the node that has it refused; nothing was done",
	} {
		g := &fakeGateway{send: func(*pb.SendRequest) (*pb.SendResponse, error) {
			return &pb.SendResponse{Outcome: outcome}, nil
		}}
		against(t, g).expect(t, app.ExitFailed, "", "ctl: edge-3.1.1: "+sentence+"\n", "send", "edge-3.1.1", "hi", "-o",
			"name")
	}
}

// Every status is shown in words, and in those of the gateway where it sent any.
func TestAbsentText(t *testing.T) {
	for n := range pb.NodeStatus_name {
		status := pb.NodeStatus(n)
		if status == nodeOK || n == 0 {
			continue
		}
		own := app.AbsentText(nodeResult("edge-3", status, ""))
		if !strings.HasPrefix(own, "edge-3 ") || !strings.Contains(own, ": "+app.NodeStatusText(status)+" (") ||
			strings.Contains(own, "()") ||
			strings.Contains(own, "did not say why") != (status == pb.NodeStatus_NODE_STATUS_ERROR) {
			t.Errorf("%s: %s", status, own)
		}
		if text := app.AbsentText(nodeResult("edge-3", status, "be\x1bcause")); !strings.HasSuffix(text,
			app.NodeStatusText(status)+` (be\x1bcause)`) {
			t.Errorf("%s: %s", status, text)
		}
	}
	for status, verb := range map[pb.NodeStatus]string{nodeTimedOut: "did not answer",
		pb.NodeStatus_NODE_STATUS_DENIED: "answered"} {
		if got, want := app.AbsentText(nodeResult("edge-3", status,
			"x")), "edge-3 "+verb+": "+app.NodeStatusText(status)+" (x)"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	m := app.AbsentFrom(&pb.FleetResult{Expected: 3, Answered: 2})
	if !m.Any() || m.Short != "2 of 3 nodes answered" {
		t.Errorf("a reply that is not complete and names nobody: %+v", m)
	}
}

// The question counts connections and nodes, and the nodes without an answer are named before it.
func TestKickQuestionOfAFleet(t *testing.T) {
	matched := uint64(5)
	g := &fakeGateway{kick: func(*pb.KickRequest) (*pb.KickResponse, error) {
		return &pb.KickResponse{Matched: matched, Kicked: matched, Fleet: silentThird(nil, nil)}, nil
	}}
	run := against(t, g)
	run.terminal, run.stdin, run.variables = true, strings.NewReader("n\n"), map[string]string{"NO_COLOR": "1"}
	run.expect(t, app.ExitFailed, "", silentText+"Kick 5 connections on 2 nodes? [y/N] ctl: not confirmed; nothing was "+
		"done\n", "kick", "--filter", "true")
	matched = 0
	run = against(t, g)
	run.terminal = true
	run.expect(t, app.ExitPartial, "", "ctl: no connection matches\n"+silentText, "kick", "--filter", "true")
}

// A fleet is described where there is one, with its problem.
func TestInfoOfAFleet(t *testing.T) {
	fleet := &pb.FleetInfo{Name: "shop", Mode: "embedded", Connected: true, Since: ago(time.Minute),
		State: pb.NodeState_NODE_STATE_LIVE, Nodes: 3}
	g := &fakeGateway{gateway: func() (*pb.GetGatewayResponse, error) {
		return &pb.GetGatewayResponse{Node: "edge-1", FleetInfo: fleet,
			Fleet: fleetOf(nodeResult("edge-1", nodeOK, ""))}, nil
	}}
	section := func(connected, state string) string {
		return "\nFleet\n  name           shop\n  mode           embedded\n  connected      " + connected +
			"\n  state          " + state + "\n  nodes          3\n\nListeners\n"
	}
	for _, want := range []string{section("yes, since 2026-03-04T10:30:02.123Z", "LIVE"),
		section("no, since 2026-03-04T10:30:02.123Z: connection refused", "DISPLACED")} {
		run := against(t, g)
		if code := run.run("info"); code != app.ExitDone || !strings.Contains(run.stdout.String(), want) {
			t.Errorf("exit code %d:\n%s\nwant:\n%s", code, run.stdout, want)
		}
		fleet.Connected, fleet.Problem, fleet.State = false, "connection refused", pb.NodeState_NODE_STATE_DISPLACED
	}
	run := against(t, g)
	if run.run("info", "-o", "json"); !strings.Contains(run.stdout.String(),
		`"fleetInfo":{"name":"shop","mode":"embedded","connected":false,"problem":"connection refused",`) {
		t.Errorf("%s", run.stdout)
	}
}

// Where nodes disagree, each value has a row with its nodes; a value that all share has one row.
func TestLimitsThatDiffer(t *testing.T) {
	limits := func(most uint64, idle time.Duration) *pb.Limits {
		return &pb.Limits{MaxConnections: most, IdleTimeout: durationpb.New(idle), HighWater: 64 << 10}
	}
	g := &fakeGateway{limits: func(*pb.GetLimitsRequest) (*pb.GetLimitsResponse, error) {
		return &pb.GetLimitsResponse{Limits: limits(50, 0), Nodes: []*pb.NodeLimits{
			{Node: "edge-1", Limits: limits(100, 0)}, {Node: "edge-2", Limits: limits(50, time.Minute)}, {Node: "edge-3",
				Limits: limits(100, 0)},
		}, Fleet: fleetOf(nodeResult("edge-1", nodeOK, ""), nodeResult("edge-2", nodeOK, ""), nodeResult("edge-3", nodeOK,
			""))}, nil
	}}
	against(t, g).expect(t, app.ExitDone,
		"NAME              VALUE   NODES\nmax-connections   100     edge-1,edge-3\nmax-connections   50      edge-2\n"+
			"high-water        64KiB   all\nidle-timeout      none    edge-1,edge-3\nidle-timeout      1m      edge-2\n", "",
		"limits", "get", "max-connections", "high-water", "idle-timeout")
	against(t, g).expect(t, app.ExitDone, "NAME         VALUE\nhigh-water   64KiB\n", "", "limits", "get", "high-water")
}
