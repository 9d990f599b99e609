package cli

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	nodeOK          = pb.NodeStatus_NODE_STATUS_OK
	nodeTimedOut    = pb.NodeStatus_NODE_STATUS_TIMED_OUT
	nodeUnreachable = pb.NodeStatus_NODE_STATUS_UNREACHABLE

	silentText = "ctl: edge-3 did not answer: UNREACHABLE (nothing heard of it for 12 s)\n"
)

// nodeResult is a node's part of a reply; the counts are "name=1".
func nodeResult(name string, status pb.NodeStatus, message string, counts ...string) *pb.NodeResult {
	n := &pb.NodeResult{Node: name, Status: status, Message: message,
		Elapsed: durationpb.New(1500 * time.Microsecond), Counts: map[string]uint64{}}
	for _, c := range counts {
		key, value, _ := strings.Cut(c, "=")
		var count uint64
		_, _ = fmt.Sscan(value, &count)
		n.Counts[key] = count
	}
	return n
}

// fleetOf makes the result of these nodes.
func fleetOf(nodes ...*pb.NodeResult) *pb.FleetResult {
	f := &pb.FleetResult{Complete: true, Expected: uint32(len(nodes)), Nodes: nodes}
	for _, n := range nodes {
		f.Complete = f.Complete && n.GetStatus() == nodeOK
		switch n.GetStatus() {
		case nodeTimedOut, nodeUnreachable, pb.NodeStatus_NODE_STATUS_LEFT:
		default:
			f.Answered++
		}
	}
	return f
}

// silentThird is the result of edge-1 and edge-2, which did it, and of edge-3, which cannot be reached.
func silentThird(first, second []string) *pb.FleetResult {
	silent := nodeResult("edge-3", nodeUnreachable, "nothing heard of it for 12 s")
	silent.Elapsed = durationpb.New(0)
	return fleetOf(nodeResult("edge-1", nodeOK, "", first...), nodeResult("edge-2", nodeOK, "", second...), silent)
}

// fleetGateway answers every verb for three nodes, one of them unreachable. It keeps the requests' scopes.
func fleetGateway(scopes *[]*pb.Scope) *fakeGateway {
	keep := func(r interface{ GetScope() *pb.Scope }) { *scopes = append(*scopes, r.GetScope()) }
	target := []*pb.TargetOutcome{{Id: "edge-2.1.1", Outcome: pb.Outcome_OUTCOME_KICKED},
		{Id: "edge-3.1.1", Outcome: pb.Outcome_OUTCOME_NODE_UNREACHABLE}}
	limits := &pb.Limits{MaxConnections: 100}
	ban := &pb.Ban{Target: "203.0.113.7/32", Node: "edge-1", CreatedAt: ago(0)}
	return &fakeGateway{
		list: func(r *pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error) {
			keep(r)
			if r.GetPageToken() == "" { // every page names the node that cannot be reached
				return &pb.ListConnectionsResponse{Connections: []*pb.Connection{testConnection("edge-1.1.1")},
					NextPageToken: "2", Fleet: silentThird(nil, nil)}, nil
			}
			return &pb.ListConnectionsResponse{Connections: []*pb.Connection{testConnection("edge-2.1.1")},
				Fleet: silentThird(nil, nil)}, nil
		},
		count: func(r *pb.CountConnectionsRequest) (*pb.CountConnectionsResponse, error) {
			keep(r)
			resp := &pb.CountConnectionsResponse{Count: 5, TotalSize: 6, Cursor: "edge-1.1@7,edge-2.1@9",
				Fleet: silentThird([]string{"count=2"}, []string{"count=3"})}
			if r.GetBy() != "" {
				resp.Groups = []*pb.ConnectionGroup{{Value: "main", Count: 5}}
			}
			return resp, nil
		},
		get: func(r *pb.GetConnectionRequest) (*pb.GetConnectionResponse, error) {
			keep(r)
			return &pb.GetConnectionResponse{Connection: testConnection(r.GetId()),
				Fleet: fleetOf(nodeResult("edge-1", nodeOK, ""))}, nil
		},
		send: func(r *pb.SendRequest) (*pb.SendResponse, error) {
			keep(r)
			return &pb.SendResponse{Outcome: pb.Outcome_OUTCOME_UNKNOWN,
				Fleet: fleetOf(nodeResult("edge-3", nodeTimedOut, ""))}, nil
		},
		broadcast: func(r *pb.BroadcastRequest) (*pb.BroadcastResponse, error) {
			keep(r)
			return &pb.BroadcastResponse{Matched: 5, Written: 4, Queued: 1,
				Fleet: silentThird([]string{"matched=2", "written=1", "queued=1"}, []string{"matched=3", "written=3"})}, nil
		},
		kick: func(r *pb.KickRequest) (*pb.KickResponse, error) {
			keep(r)
			if len(r.GetConnectionIds()) > 0 {
				return &pb.KickResponse{Matched: 2, Kicked: 1, Outcomes: target,
					Fleet: fleetOf(nodeResult("edge-2", nodeOK, "", "matched=1", "kicked=1"),
						nodeResult("edge-3", nodeUnreachable, "nothing heard of it for 12 s"))}, nil
			}
			return &pb.KickResponse{Matched: 5, Kicked: 5, Fleet: silentThird([]string{"matched=2", "kicked=2"},
				[]string{"matched=3", "kicked=3"})}, nil
		},
		labels: func(r *pb.SetLabelsRequest) (*pb.SetLabelsResponse, error) {
			keep(r)
			return &pb.SetLabelsResponse{Matched: 5, Labeled: 5,
				Fleet: silentThird([]string{"matched=2", "labeled=2"}, []string{"matched=3", "labeled=3"})}, nil
		},
		shutdown: func(r *pb.ShutdownRequest) (*pb.ShutdownResponse, error) {
			keep(r)
			return &pb.ShutdownResponse{Connections: 5, Deadline: ago(0),
				Fleet: silentThird([]string{"connections=2"}, []string{"connections=3"})}, nil
		},
		info: func(r *pb.GetGatewayRequest) (*pb.GetGatewayResponse, error) {
			keep(r)
			return &pb.GetGatewayResponse{Node: "edge-1", Cursor: "edge-1.1@7",
				FleetInfo: &pb.FleetInfo{Name: "shop", Mode: "embedded", Connected: true,
					Since: ago(time.Minute), State: pb.NodeState_NODE_STATE_LIVE, Nodes: 3}}, nil
		},
		limits: func(r *pb.GetLimitsRequest) (*pb.GetLimitsResponse, error) {
			keep(r)
			return &pb.GetLimitsResponse{Limits: limits, Nodes: []*pb.NodeLimits{{Node: "edge-1",
				Limits: limits}, {Node: "edge-2", Limits: limits}}, Fleet: silentThird(nil, nil)}, nil
		},
		update: func(r *pb.UpdateLimitsRequest) (*pb.UpdateLimitsResponse, error) {
			keep(r)
			other := proto.CloneOf(limits)
			other.MaxConnections = 50
			return &pb.UpdateLimitsResponse{Limits: limits, Nodes: []*pb.NodeLimits{{Node: "edge-1",
				Limits: limits}, {Node: "edge-2", Limits: other}}, Fleet: silentThird(nil, nil)}, nil
		},
		addBan: func(r *pb.AddBanRequest) (*pb.AddBanResponse, error) {
			keep(r)
			return &pb.AddBanResponse{Ban: ban, Durable: true, Closed: 4,
				Fleet: silentThird([]string{"closed=1"}, []string{"closed=3"})}, nil
		},
		listBans: func(r *pb.ListBansRequest) (*pb.ListBansResponse, error) {
			keep(r)
			page, token := proto.CloneOf(ban), ""
			if r.GetPageToken() == "" {
				token = "2"
			} else {
				page.Node = "edge-2"
			}
			return &pb.ListBansResponse{Bans: []*pb.Ban{page}, NextPageToken: token,
				Fleet: silentThird(nil, nil)}, nil
		},
		removeBan: func(r *pb.RemoveBanRequest) (*pb.RemoveBanResponse, error) {
			keep(r)
			return &pb.RemoveBanResponse{Ban: ban, Fleet: silentThird(nil, nil)}, nil
		},
		stream: func(r *pb.StreamEventsRequest, s eventStream) error {
			keep(r)
			return s.Send(&pb.StreamEventsResponse{Cursor: "edge-1.1@8,edge-2.1@9", Events: []*pb.Event{
				{Node: "edge-2", Type: pb.EventType_EVENT_TYPE_LISTENING, Time: ago(0),
					Details: &pb.Event_Listener{Listener: &pb.ListenerDetails{Name: "game",
						Address: "127.0.0.1:8017"}}}}})
		},
		nodes: func(r *pb.ListNodesRequest) (*pb.ListNodesResponse, error) {
			keep(r)
			return &pb.ListNodesResponse{Nodes: threeNodes(), Fleet: silentThird(nil, nil)}, nil
		},
		forget: func(r *pb.ForgetNodeRequest) (*pb.ForgetNodeResponse, error) {
			keep(r)
			return &pb.ForgetNodeResponse{Node: threeNodes()[2],
				Fleet: fleetOf(nodeResult("edge-1", nodeOK, ""), nodeResult("edge-2", nodeOK, ""))}, nil
		},
	}
}

// threeNodes are edge-1, which is asked, edge-2, and edge-3, which cannot be reached.
func threeNodes() []*pb.Node {
	return []*pb.Node{
		{Name: "edge-1", Incarnation: "19ab0d3f1c2", State: pb.NodeState_NODE_STATE_LIVE, Version: "v1.2.3",
			Connections: 1200, EventHead: 7, Self: true,
			Uptime: durationpb.New(3 * time.Hour), Allowed: pb.Role_ROLE_ADMIN, ControlAddress: "10.0.0.1:8018"},
		{Name: "edge-2", Incarnation: "19ab0d3f1c3", State: pb.NodeState_NODE_STATE_DRAINING, Version: "v1.2.3",
			Connections: 3, EventHead: 9,
			LastSeen: durationpb.New(1400 * time.Millisecond), RoundTrip: durationpb.New(420 * time.Microsecond),
			Uptime: durationpb.New(3 * time.Hour), Allowed: pb.Role_ROLE_OPERATOR},
		{Name: "edge-3", Incarnation: "1", State: pb.NodeState_NODE_STATE_UNREACHABLE, Version: "v1.2.2",
			Connections: 800, EventHead: 4711,
			LastSeen: durationpb.New(12 * time.Second), Uptime: durationpb.New(time.Minute),
			Allowed: pb.Role_ROLE_ADMIN},
	}
}
