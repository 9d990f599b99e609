package handlers

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// draining lists resp, answers a drain with reply, and keeps the request.
func draining(resp *pb.ListInstancesResponse, reply *pb.DrainInstanceResponse, got **pb.DrainInstanceRequest) *fakeGateway {
	g := listing(resp)
	g.drain = func(req *pb.DrainInstanceRequest) (*pb.DrainInstanceResponse, error) {
		*got = req
		return reply, nil
	}
	return g
}

func someLanes() *pb.DrainInstanceResponse {
	return &pb.DrainInstanceResponse{Lanes: 2, Connections: 500, OtherLanes: 1}
}

// alone has one instance only, on two nodes.
func alone() *pb.ListInstancesResponse {
	return &pb.ListInstancesResponse{Instances: []*pb.Instance{instance("jt808", "pod-7", "edge-1"),
		instance("jt808", "pod-7", "edge-2"), idle("jt808", "pod-8", "edge-1"), instance("jt808", "pod-9", "edge-3"),
		instance("chat", "pod-9", "edge-2")}}
}

const noRelief = " that does not drain: connections that are left at the end of the time are held until one attaches, " +
	"and close when none does in time\n"

// The effect is shown in every format, and the request has everything.
func TestDrainFormats(t *testing.T) {
	for format, want := range map[string]string{
		"table": "INSTANCE   LANES   CONNECTIONS   OTHER-LANES\npod-7      2       500           1\n",
		"wide":  "INSTANCE   LANES   CONNECTIONS   OTHER-LANES\npod-7      2       500           1\n",
		"json":  `{"lanes":2,"connections":"500","otherLanes":1}` + "\n",
		"yaml":  "---\nlanes: 2\nconnections: \"500\"\notherLanes: 1\n",
		"name":  "pod-7\n",
	} {
		var got *pb.DrainInstanceRequest
		g := draining(twoHandlers(), someLanes(), &got)
		against(t, g).expect(t, app.ExitDone, want, "",
			"handlers drain pod-7 --yes --timeout 2m --reason new --node edge-1 -o "+format)
		if got.GetHandler() != "jt808" || got.GetInstance() != "pod-7" || got.GetTimeout().AsDuration() != 2*time.Minute ||
			got.GetReason() != "new" || got.GetScope().GetNodes()[0] != "edge-1" {
			t.Errorf("request %v", got)
		}
	}
}

// Without --timeout it is 30 s, and 0 is sent as 0. A handler that is named is not looked for.
func TestDrainTime(t *testing.T) {
	for flags, want := range map[string]time.Duration{"": 30 * time.Second, "--timeout 0": 0, "--timeout 1h": time.Hour} {
		var got *pb.DrainInstanceRequest
		g := draining(nil, someLanes(), &got)
		words := strings.Fields("handlers drain x --handler any --yes " + flags)
		if code := against(t, g).run(words...); code != app.ExitDone {
			t.Errorf("exit code %d", code)
		}
		if got.GetTimeout() == nil || got.GetTimeout().AsDuration() != want || got.GetHandler() != "any" || g.lists != 0 {
			t.Errorf("%s: %d lists, request %v", flags, g.lists, got)
		}
	}
}

// Drain asks, with the number of lanes and connections, and does nothing without a yes.
func TestDrainAsks(t *testing.T) {
	const question = "Drain pod-7 of jt808 (2 lanes, 500 connections)? [y/N] "
	resp := twoHandlers()
	resp.Instances[1].Draining = false
	for answer, code := range map[string]int{"y\n": app.ExitDone, "no\n": app.ExitFailed, "": app.ExitFailed} {
		var got *pb.DrainInstanceRequest
		run := against(t, draining(resp, someLanes(), &got))
		run.terminal, run.stdin = true, strings.NewReader(answer)
		if c := run.run("handlers", "drain", "pod-7"); c != code || (got != nil) != (code == app.ExitDone) ||
			!strings.HasPrefix(run.stderr.String(), question) {
			t.Errorf("%q: exit code %d, request %v: %s", answer, c, got, run.stderr)
		}
	}
}

// It warns once when no other instance takes the connections: before the question, or else of the reply.
func TestDrainWithoutRelief(t *testing.T) {
	var got *pb.DrainInstanceRequest
	run := against(t, draining(alone(), &pb.DrainInstanceResponse{Lanes: 4}, &got))
	run.terminal, run.stdin = true, strings.NewReader("y\n")
	run.expect(t, app.ExitDone, "pod-7\n", "ctl: jt808 has no other instance on edge-1, edge-2"+noRelief+
		"Drain pod-7 of jt808 (4 lanes, 1000 connections)? [y/N] ", "handlers drain pod-7 -o name")
	against(t, draining(alone(), &pb.DrainInstanceResponse{Lanes: 4}, &got)).expect(t, app.ExitDone, "pod-7\n",
		"ctl: jt808 has no other instance"+noRelief, "handlers drain pod-7 -o name --yes")
}

// An instance that several handlers have is not guessed, and one that none has is not found.
func TestDrainFindsTheHandler(t *testing.T) {
	var got *pb.DrainInstanceRequest
	g := draining(alone(), someLanes(), &got)
	against(t, g).expect(t, app.ExitUsage, "", "ctl: pod-9 is an instance of jt808, chat; say which with --handler\n"+
		"Run 'ctl handlers drain --help' for usage.\n", "handlers drain pod-9 --yes")
	against(t, g).expect(t, app.ExitNotFound, "", "ctl: no instance pod-1 is attached; ctl handlers shows the instances\n",
		"handlers drain pod-1 --yes")
	run := against(t, g)
	run.terminal = true
	run.expect(t, app.ExitNotFound, "", "ctl: no instance pod-1 of chat is attached; ctl handlers shows the instances\n",
		"handlers drain pod-1 --handler chat")
	resp := alone()
	resp.Fleet = fleetOf(nil)
	against(t, draining(resp, someLanes(), &got)).expect(t, app.ExitPartial, "", silentText+
		"ctl: no instance pod-1 is attached to the nodes that answered; ctl handlers shows the instances\n",
		"handlers drain pod-1 --yes")
	if got != nil {
		t.Errorf("request %v", got)
	}
}

// The nodes' parts are shown, and the end is partial when one is silent.
func TestDrainOfAFleet(t *testing.T) {
	var got *pb.DrainInstanceRequest
	reply := someLanes()
	reply.Fleet = fleetOf(map[string]uint64{"lanes": 2, "connections": 500, "other_lanes": 1})
	resp := twoHandlers()
	resp.Instances[1].Draining, resp.Fleet = false, fleetOf(nil)
	against(t, draining(resp, reply, &got)).expect(t, app.ExitPartial, `INSTANCE   LANES   CONNECTIONS   OTHER-LANES
pod-7      2       500           1

NODE     STATUS        TIME   LANES   CONNECTIONS   OTHER-LANES
edge-1   OK            1ms    2       500           1
edge-2   UNREACHABLE   0s     -       -             -
`, silentText, "handlers drain pod-7 --yes -o wide")
	run := against(t, draining(resp, reply, &got))
	run.terminal, run.stdin = true, strings.NewReader("y\n")
	run.expect(t, app.ExitPartial, "pod-7\n", silentText+
		"Drain pod-7 of jt808 (2 lanes, 500 connections) on 1 node? [y/N] "+silentText, "handlers drain pod-7 -o name")
}

// Errors of the gateway have the exit codes of every verb.
func TestDrainErrors(t *testing.T) {
	for code, want := range map[codes.Code]int{codes.NotFound: app.ExitNotFound, codes.PermissionDenied: app.ExitDenied,
		codes.InvalidArgument: app.ExitUsage, codes.Internal: app.ExitFailed} {
		refuse := func() error { return status.Error(code, "refused") }
		g := listing(twoHandlers())
		g.drain = func(*pb.DrainInstanceRequest) (*pb.DrainInstanceResponse, error) { return nil, refuse() }
		if got := against(t, g).run("handlers", "drain", "pod-7", "--yes"); got != want {
			t.Errorf("%s: exit code %d", code, got)
		}
		g = &fakeGateway{list: func(int, *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
			return nil, refuse()
		}}
		if got := against(t, g).run("handlers", "drain", "pod-7", "--yes"); got != want {
			t.Errorf("%s: exit code %d", code, got)
		}
	}
}
