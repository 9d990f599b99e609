package fleet

import (
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// streamPlan is a resolved StreamEvents request.
type streamPlan struct {
	request *pb.StreamEventsRequest
	self    string
	nodes   map[string]bool // of the scope; nil: all
	begin   event.Vector    // behind which the stream begins
	types   []pb.EventType  // that other nodes are asked for; nil: they are not followed
	wait    time.Duration   // how long another node may be silent before a snapshot does without it
	others  []member.Member // of the scope, all of them; without this node
}

// planStream reads a request. The error is a *contract.Problem or an *event.CursorError.
func (n *Node) planStream(r *pb.StreamEventsRequest) (*streamPlan, error) {
	to, err := n.reach(r.GetScope())
	if err != nil {
		return nil, err
	}
	p := &streamPlan{request: r, self: n.roster.Self().Node, types: typesOfOthers(r), wait: to.wait}
	if len(r.GetScope().GetNodes()) > 0 {
		p.nodes = make(map[string]bool)
	}
	var absent []string
	for _, m := range to.nodes {
		if p.nodes != nil {
			p.nodes[m.Node] = true
		}
		if m.Self {
			continue
		}
		p.others = append(p.others, m)
		if !m.Asked() {
			absent = append(absent, m.Node)
		}
	}
	switch {
	case to.requireAll && len(absent) > 0:
		return nil, n.withoutNodes(absent)
	case to.requireAll && to.blind != "":
		return nil, to.unknown()
	}
	return p, p.place()
}

// withoutNodes is the error of a stream that needs nodes that are not there: all are required.
func (n *Node) withoutNodes(names []string) error {
	var results []*pb.NodeResult
	for _, name := range names {
		a := exchange.Answer{Node: name, Status: pb.NodeStatus_NODE_STATUS_TIMED_OUT}
		if m, known := n.roster.Find(name); known && !m.Asked() {
			a = exchange.NotAsked(&m)
		}
		results = append(results, nodeResult(&a))
	}
	return nodesMissing(results)
}

// place sets where the stream begins.
func (p *streamPlan) place() error {
	after := p.request.GetAfter()
	switch {
	case p.request.GetSnapshot() || after == "0":
	case after == "":
		for _, m := range p.others {
			p.begin = p.begin.Set(event.Cursor{Origin: m.Origin, Sequence: m.Head})
		}
	default:
		v, err := event.ParseVector(after)
		if err != nil {
			return &event.CursorError{Text: err.Error()}
		}
		p.begin = v
	}
	return nil
}

// covers reports whether a node is in the scope.
func (p *streamPlan) covers(node string) bool { return p.nodes == nil || p.nodes[node] }

// own returns the request for this node's own part. When this node is not in the scope, it is asked for hardly
// anything: it tells whether the request is right, counts the stream, and ends it with its log.
func (p *streamPlan) own() *pb.StreamEventsRequest {
	r := proto.CloneOf(p.request)
	r.Scope = &pb.Scope{Local: true}
	if !p.covers(p.self) {
		r.Types, r.After, r.Snapshot, r.IncludeData = []pb.EventType{pb.EventType_EVENT_TYPE_GAP}, "", false, false
		return r
	}
	if at, ok := p.begin.At(p.self); ok {
		r.After = at.String()
	} else if r.After != "" {
		r.After = "0"
	}
	return r
}

// other returns the encoded request for another node.
func (p *streamPlan) other(after string, snapshot bool) ([]byte, error) {
	return proto.Marshal(&pb.StreamEventsRequest{Types: p.types, Filter: p.request.GetFilter(), After: after,
		Snapshot:    snapshot,
		IncludeData: p.request.GetIncludeData(), MaxDataBytes: p.request.GetMaxDataBytes()})
}

// ofMembers reports whether events of a type are about the fleet's members. They come from this node alone.
func ofMembers(t pb.EventType) bool { return strings.HasPrefix(t.String(), "EVENT_TYPE_NODE_") }

// typesOfOthers returns the types to ask other nodes for: all wanted types but those about members. Nil means none of
// their events is wanted.
func typesOfOthers(r *pb.StreamEventsRequest) []pb.EventType {
	wanted := slices.Clone(r.GetTypes())
	if len(wanted) == 0 {
		for number := range pb.EventType_name {
			if t := pb.EventType(number); t != pb.EventType_EVENT_TYPE_UNSPECIFIED && (t != pb.EventType_EVENT_TYPE_DATA ||
				r.GetIncludeData()) {
				wanted = append(wanted, t)
			}
		}
		slices.Sort(wanted)
	}
	wanted = slices.DeleteFunc(wanted, ofMembers)
	switch {
	case len(wanted) > 0:
		return wanted
	case r.GetSnapshot():
		return []pb.EventType{pb.EventType_EVENT_TYPE_GAP} // their connections are wanted, and nothing else
	}
	return nil
}
