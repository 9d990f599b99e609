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
	nodes   map[string]bool // in the scope; nil: all
	begin   event.Vector    // the stream begins after it
	types   []pb.EventType  // types to ask other nodes for; nil: they are not followed
	wait    time.Duration   // how long a snapshot waits for a silent node
	others  []member.Member // all other nodes of the scope
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

// withoutNodes is the error of a stream that requires all nodes while some are missing.
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

// place sets the position at which the stream begins.
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

// own returns the request for this node's own part. If this node is not in the scope, the request asks for almost
// nothing: it checks the caller's request, counts the stream, and ends with this node's log.
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

// typesOfOthers returns the types to ask other nodes for: all selected types except those about members. Nil means that
// none of their events is selected.
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
		return []pb.EventType{pb.EventType_EVENT_TYPE_GAP} // their connections are selected, and nothing else
	}
	return nil
}
