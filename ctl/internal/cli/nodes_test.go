package cli

import (
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	nodesTable = `NODE     STATE         VERSION   CONNECTIONS   LAST-SEEN   ROUND-TRIP
edge-1   LIVE          v1.2.3    1200          self        -
edge-2   DRAINING      v1.2.3    3             1.4s        420µs
edge-3   UNREACHABLE   v1.2.2    800           12s         -
`
	nodesWide = `NODE     STATE         VERSION   CONNECTIONS   LAST-SEEN   ROUND-TRIP   INCARNATION   UPTIME   EVENT-HEAD   ALLOWED    CONTROL-ADDRESS
edge-1   LIVE          v1.2.3    1200          self        -            19ab0d3f1c2   3h       7            admin      10.0.0.1:8018
edge-2   DRAINING      v1.2.3    3             1.4s        420µs        19ab0d3f1c3   3h       9            operator   -
edge-3   UNREACHABLE   v1.2.2    800           12s         -            1             1m       4711         admin      -
`
	nodesJSON = `{"name":"edge-1","incarnation":"19ab0d3f1c2","state":"NODE_STATE_LIVE","version":"v1.2.3","connections":"1200","eventHead":"7","self":true,"uptime":"10800s","allowed":"ROLE_ADMIN","controlAddress":"10.0.0.1:8018"}
{"name":"edge-2","incarnation":"19ab0d3f1c3","state":"NODE_STATE_DRAINING","version":"v1.2.3","connections":"3","eventHead":"9","lastSeen":"1.400s","roundTrip":"0.000420s","self":false,"uptime":"10800s","allowed":"ROLE_OPERATOR","controlAddress":""}
{"name":"edge-3","incarnation":"1","state":"NODE_STATE_UNREACHABLE","version":"v1.2.2","connections":"800","eventHead":"4711","lastSeen":"12s","self":false,"uptime":"60s","allowed":"ROLE_ADMIN","controlAddress":""}
`
	lastNodeYAML = `---
name: edge-3
incarnation: "1"
state: NODE_STATE_UNREACHABLE
version: v1.2.2
connections: "800"
eventHead: "4711"
lastSeen: 12s
self: false
uptime: 60s
allowed: ROLE_ADMIN
controlAddress: ""
`
)

// A node that is known to be unreachable is not reported as silent: its state says so.
func TestNodesFormats(t *testing.T) {
	for format, want := range map[string]string{"table": nodesTable, "wide": nodesWide, "json": nodesJSON,
		"name": "edge-1\nedge-2\nedge-3\n"} {
		for _, words := range []string{"nodes", "node list"} {
			var scopes []*pb.Scope
			against(t, fleetGateway(&scopes)).expect(t, app.ExitDone, want, "", append(strings.Fields(words), "-o", format)...)
		}
	}
	var scopes []*pb.Scope
	run := against(t, fleetGateway(&scopes))
	if code := run.run("nodes", "-o", "yaml"); code != app.ExitDone ||
		!strings.HasSuffix(run.stdout.String(), lastNodeYAML) || strings.Count(run.stdout.String(), "---\n") != 3 {
		t.Errorf("exit code %d:\n%s", code, run.stdout)
	}
}

// A node that was asked and did not answer makes the reply partial, in every state.
func TestNodesThatDoNotAnswerThePing(t *testing.T) {
	for status, want := range map[pb.NodeStatus]string{
		nodeTimedOut: "ctl: edge-2 did not answer: TIMED_OUT (not within 2ms; what it did is not known)\n",
		pb.NodeStatus_NODE_STATUS_OVERLOADED: "ctl: edge-2 answered: OVERLOADED (it has too much to do, and did " +
			"nothing)\n",
	} {
		g := &fakeGateway{nodes: func(*pb.ListNodesRequest) (*pb.ListNodesResponse, error) {
			return &pb.ListNodesResponse{Nodes: threeNodes(),
				Fleet: fleetOf(nodeResult("edge-1", nodeOK, ""), nodeResult("edge-2", status, ""),
					nodeResult("edge-3", nodeUnreachable, ""))}, nil
		}}
		against(t, g).expect(t, app.ExitPartial, nodesTable, want, "nodes")
	}
}

// A gateway that runs alone lists itself.
func TestNodesAlone(t *testing.T) {
	g := &fakeGateway{nodes: func(*pb.ListNodesRequest) (*pb.ListNodesResponse, error) {
		return &pb.ListNodesResponse{Nodes: threeNodes()[:1]}, nil
	}}
	against(t, g).expect(t, app.ExitDone, "NODE     STATE   VERSION   CONNECTIONS   LAST-SEEN   ROUND-TRIP\nedge-1   "+
		"LIVE    v1.2.3    1200          self        -\n", "", "nodes")
}

// Forgetting asks, shows the forgotten node, and names the nodes that could not be told.
func TestNodeForget(t *testing.T) {
	var got []string
	fleet := fleetOf(nodeResult("edge-1", nodeOK, ""), nodeResult("edge-2", nodeTimedOut, "no answer within 4 s"))
	g := &fakeGateway{forget: func(r *pb.ForgetNodeRequest) (*pb.ForgetNodeResponse, error) {
		got = append(got, r.GetNode())
		return &pb.ForgetNodeResponse{Node: threeNodes()[2], Fleet: fleet}, nil
	}}
	const (
		table = "NODE     STATE         VERSION   CONNECTIONS   LAST-SEEN   ROUND-TRIP\nedge-3   UNREACHABLE   v1.2.2    " +
			"800           12s         -\n"
		untold = "ctl: edge-2 did not answer: TIMED_OUT (no answer within 4 s)\n"
	)
	against(t, g).expect(t, app.ExitPartial, table, untold, "node", "forget", "edge-3", "--yes")
	against(t, g).expect(t, app.ExitPartial, "edge-3\n", untold, "node", "forget", "edge-3", "--yes", "-o", "name")
	run := against(t, g)
	if code := run.run("node", "forget", "edge-3", "-y", "-o", "wide"); code != app.ExitPartial ||
		!strings.HasSuffix(run.stdout.String(),
			"admin     -\n\nNODE     STATUS      TIME\nedge-1   OK          2ms\nedge-2   TIMED_OUT   2ms\n") {
		t.Errorf("exit code %d:\n%s", code, run.stdout)
	}
	run = against(t, g)
	if code := run.run("node", "forget", "edge-3", "-y", "-o", "json"); code != app.ExitPartial ||
		!strings.HasPrefix(run.stdout.String(), `{"node":{"name":"edge-3",`) ||
		!strings.Contains(run.stdout.String(), `"fleet":{"complete":false,"expected":2,"answered":1,"nodes":[`) {
		t.Errorf("exit code %d:\n%s", code, run.stdout)
	}
	for answer, code := range map[string]int{"y\n": app.ExitDone, "n\n": app.ExitFailed} {
		got, fleet = nil, nil
		run := against(t, g)
		run.terminal, run.stdin, run.variables = true, strings.NewReader(answer), map[string]string{"NO_COLOR": "1"}
		if have := run.run("node", "forget", "edge-3"); have != code ||
			!strings.HasPrefix(run.stderr.String(), "Forget the node edge-3? [y/N] ") ||
			(len(got) == 1) != (code == app.ExitDone) {
			t.Errorf("%q: exit code %d, %d calls: %s", answer, have, len(got), run.stderr)
		}
	}
}
