package fleet

import (
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
)

// violationPeriod is the least time between two events, and two log lines, about what one node sends.
const violationPeriod = 10 * time.Second

// violations are what other nodes sent and no honest node sends, by node. The zero value is ready for use.
type violations struct {
	mu    sync.Mutex
	nodes map[string]*violation // only of nodes that sent such a thing in the last period
}

// violation is what one node sent since it was last told of.
type violation struct {
	of    event.Origin
	count uint64
	first string // about the first of them
}

// violated takes note that a node sent something that it may not. The first is told of at once, with an event and a log
// line; later ones together, once a period.
func (n *Node) violated(of event.Origin, cause error) {
	v := &n.violations
	v.mu.Lock()
	known := v.nodes[of.Node]
	if known != nil {
		if known.count++; known.count == 1 {
			known.of, known.first = of, cause.Error()
		}
		v.mu.Unlock()
		return
	}
	if v.nodes == nil {
		v.nodes = make(map[string]*violation)
	}
	v.nodes[of.Node] = &violation{}
	v.mu.Unlock()
	n.tellViolation(&violation{of: of, count: 1, first: cause.Error()})
	time.AfterFunc(violationPeriod, func() { n.violatedSince(of.Node) })
}

// violatedSince tells of what a node sent in the last period, until a period without such a thing.
func (n *Node) violatedSince(node string) {
	v := &n.violations
	v.mu.Lock()
	since := *v.nodes[node]
	if since.count == 0 {
		delete(v.nodes, node)
		v.mu.Unlock()
		return
	}
	*v.nodes[node] = violation{}
	v.mu.Unlock()
	n.tellViolation(&since)
	time.AfterFunc(violationPeriod, func() { n.violatedSince(node) })
}

// tellViolation publishes an event about a node, and logs a line.
func (n *Node) tellViolation(v *violation) {
	d := &event.NodeDetail{Node: v.of, Message: event.ShortText(v.first), Count: v.count}
	if m, known := n.roster.Find(v.of.Node); known {
		d.Version, d.Connections, d.Head = m.Version, m.Connections, m.Head
	}
	n.config.Self.Log().Append(&event.Event{Type: event.NodeViolation, Detail: d})
	n.log.Warn("a node sent something that no honest node sends; it was not used", "node", v.of.Node, "incarnation",
		v.of.Incarnation, "count", v.count, "first", v.first)
}

// distrusted replaces the answer of a node that says what it may not. What the node did is not known.
func (n *Node) distrusted(of event.Origin, a exchange.Answer, cause error) exchange.Answer {
	n.violated(of, cause)
	d := refused(a.Node, status.Errorf(codes.Internal, "its answer is not used: %v", cause))
	d.Elapsed = a.Elapsed
	return d
}

// distrustedOf is distrusted for a member.
func (n *Node) distrustedOf(m member.Member, a exchange.Answer, cause error) exchange.Answer {
	return n.distrusted(m.Origin, a, cause)
}

// misplaced is the error about an ID in an answer for another one.
func misplaced(said, asked string) error {
	return fmt.Errorf("it sent an outcome of %.100q; it was asked for %.100q", said, asked)
}
