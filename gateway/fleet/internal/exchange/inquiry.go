package exchange

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/internal/share"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// fewNodes is the most nodes that are asked with a message for each. More nodes are asked with one message for all.
const fewNodes = 3

// inquiry is an open question to some nodes.
type inquiry struct {
	x        *Exchange
	id       messageID
	began    time.Time
	wait     time.Duration
	together bool              // one message for all; set before anything is sent
	lives    map[string]string // incarnations of the asked nodes by name; never changes
	settled  chan struct{}     // closed when no answer is waited for any more
	caller   share.Party

	mu      sync.Mutex
	holds   []*share.Hold  // of answers
	answers []Answer       // in the order of the asked nodes
	waiting map[string]int // nodes that have not answered, with their places in answers
}

// Ask asks other nodes (see Asker), each of them once.
func (x *Exchange) Ask(ctx context.Context, to []member.Member, q Question) []Answer {
	i := newInquiry(x, to)
	i.caller = PartyOf(q.Caller)
	defer i.release()
	if problem := x.beginAsking(i); problem != "" {
		i.giveUp(pb.NodeStatus_NODE_STATUS_UNREACHABLE, problem)
		return i.answers
	}
	defer x.asking.Done()
	defer x.leave(i.id)
	if ctx.Err() != nil {
		i.giveUp(pb.NodeStatus_NODE_STATUS_TIMED_OUT, "the call was over before it was asked: "+ctx.Err().Error())
		return i.answers
	}
	i.send(ctx, to, q)
	i.await(ctx)
	return i.answers
}

// beginAsking lets answers in. Stop waits until the inquiry is over.
func (x *Exchange) beginAsking(i *inquiry) (problem string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if problem = x.admit(i.id, i); problem == "" {
		x.asking.Add(1)
	}
	return problem
}

// newInquiry returns an inquiry in which the nodes that are not to be asked have their answers already.
func newInquiry(x *Exchange, to []member.Member) *inquiry {
	i := &inquiry{x: x, id: newMessageID(), began: time.Now(), lives: make(map[string]string),
		settled: make(chan struct{}),
		answers: make([]Answer, len(to)), waiting: make(map[string]int)}
	for place := range to {
		m := &to[place]
		if !m.Asked() {
			i.answers[place] = NotAsked(m)
			continue
		}
		i.lives[m.Node], i.waiting[m.Node] = m.Incarnation, place
	}
	i.together = len(i.waiting) > fewNodes
	if len(i.waiting) == 0 {
		close(i.settled)
	}
	return i
}

// send sends the question. It settles the answers of nodes that the question could not be sent to.
func (i *inquiry) send(ctx context.Context, to []member.Member, q Question) {
	i.wait = patience(ctx, q.Wait)
	r := &fleetv1.Request{Method: q.Method, Body: q.Body, Caller: callerOf(q.Caller)}
	for place := range to {
		m := &to[place]
		if !m.Asked() {
			continue
		}
		if i.together {
			r.Targets = append(r.Targets, target(m, i.began, i.wait))
			continue
		}
		r.Targets = []*fleetv1.Target{target(m, i.began, i.wait)}
		if err := i.x.request(m.Node, i.id, r); err != nil {
			i.settle(m.Node, unsent(err))
		}
	}
	if !i.together {
		return
	}
	if err := i.x.request(member.Everybody, i.id, r); err != nil {
		a := unsent(err)
		for node := range i.lives {
			i.settle(node, a)
		}
	}
}

// request sends a request to a node, or to Everybody.
func (x *Exchange) request(to string, id messageID, r *fleetv1.Request) error {
	message, err := proto.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding a request: %w", err)
	}
	return x.publish(x.subjects.Ask(x.self.Node, to), id, kindRequest, message)
}

// patience returns how long to wait for an answer. An earlier deadline of the call holds, at the asked node too.
func patience(ctx context.Context, wait time.Duration) time.Duration {
	if wait <= 0 {
		wait = member.DefaultWait
	}
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	return max(wait, 0)
}

// target names the asked life of a node, and the times by which the node judges the freshness of the question.
func target(m *member.Member, asked time.Time, wait time.Duration) *fleetv1.Target {
	age := max(asked.Sub(m.HeardAt), 0)
	return &fleetv1.Target{Node: m.Node, Incarnation: m.Incarnation, Stamp: m.Stamp, Age: uint64(age), Wait: uint64(wait)}
}

// callerOf encodes the caller of a question.
func callerOf(a event.Actor) *fleetv1.Caller {
	return &fleetv1.Caller{Identity: a.Identity, Proof: a.Proof, Role: a.Role, Address: a.Address, RequestId: a.RequestID}
}

// await waits until all nodes have answered, the time is over, or the call ends.
func (i *inquiry) await(ctx context.Context) {
	timer := time.NewTimer(i.wait - time.Since(i.began))
	defer timer.Stop()
	for {
		changed := i.x.roster.Changed()
		i.look()
		select {
		case <-i.settled:
			return
		case <-changed:
		case <-timer.C:
			i.giveUp(pb.NodeStatus_NODE_STATUS_TIMED_OUT, fmt.Sprintf("no answer within %s", i.wait))
			return
		case <-ctx.Done():
			i.cancel()
			i.giveUp(pb.NodeStatus_NODE_STATUS_TIMED_OUT, "the call was over before it answered: "+ctx.Err().Error())
			return
		}
	}
}

// look gives up the nodes that can no longer answer, according to the roster.
func (i *inquiry) look() {
	for _, node := range i.missing() {
		status, message := i.x.fate(event.Origin{Node: node, Incarnation: i.lives[node]})
		if status == pb.NodeStatus_NODE_STATUS_UNREACHABLE {
			// The node was asked, so it may have done something.
			status = pb.NodeStatus_NODE_STATUS_TIMED_OUT
		}
		if status != pb.NodeStatus_NODE_STATUS_UNSPECIFIED {
			i.settle(node, Answer{Status: status, Message: message})
		}
	}
}

// fate returns the status of an asked life of a node, or UNSPECIFIED while it may still answer.
func (x *Exchange) fate(life event.Origin) (pb.NodeStatus, string) {
	m, known := x.roster.Find(life.Node)
	switch {
	case !known:
		return pb.NodeStatus_NODE_STATUS_UNREACHABLE, "it was forgotten after it was asked"
	case m.Incarnation != life.Incarnation:
		return pb.NodeStatus_NODE_STATUS_RESTARTED, fmt.Sprintf("it has restarted: incarnation %s was asked, and it is %s "+
			"now", life.Incarnation,
			m.Incarnation)
	case m.State == pb.NodeState_NODE_STATE_LEFT:
		return pb.NodeStatus_NODE_STATUS_LEFT, "it left the fleet after it was asked"
	case !m.Asked():
		return pb.NodeStatus_NODE_STATUS_UNREACHABLE, "it was asked, but nothing has been heard of it for too long"
	}
	return pb.NodeStatus_NODE_STATUS_UNSPECIFIED, ""
}

// missing returns the nodes that have not answered.
func (i *inquiry) missing() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	nodes := make([]string, 0, len(i.waiting))
	for node := range i.waiting {
		nodes = append(nodes, node)
	}
	return nodes
}

// settle takes a node's answer, unless it has one.
func (i *inquiry) settle(node string, a Answer) {
	i.mu.Lock()
	defer i.mu.Unlock()
	place, waiting := i.waiting[node]
	if !waiting {
		return
	}
	a = i.room(a)
	a.Node, a.Elapsed = node, time.Since(i.began)
	i.answers[place] = a
	if delete(i.waiting, node); len(i.waiting) == 0 {
		close(i.settled)
	}
}

// giveUp settles the missing answers.
func (i *inquiry) giveUp(s pb.NodeStatus, message string) {
	for _, node := range i.missing() {
		i.settle(node, Answer{Status: s, Message: message})
	}
}

// cancel tells the nodes that have not answered that the asker waits no longer. It uses the subject of the question, so
// that it cannot overtake the question.
func (i *inquiry) cancel() {
	to := i.missing()
	if i.together && len(to) > 0 {
		to = []string{member.Everybody}
	}
	for _, node := range to {
		i.x.cancel(node, i.id)
	}
}

// cancel tells a node, or Everybody, that the asker of a message waits no longer.
func (x *Exchange) cancel(node string, id messageID) {
	e := &fleetv1.Envelope{Id: id[:], Body: &fleetv1.Envelope_Cancel{Cancel: &fleetv1.Cancel{}}}
	if err := x.put(x.subjects.Ask(x.self.Node, node), e); err != nil {
		x.ignored.note(ignoredUnsent, node)
	}
}

// Methods of an addressee.

func (i *inquiry) awaits(node string) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	_, waiting := i.waiting[node]
	return waiting
}

func (i *inquiry) reply(node string, r *fleetv1.Reply) {
	if r.GetStatus() != pb.NodeStatus_NODE_STATUS_RESTARTED && r.GetIncarnation() != i.lives[node] {
		i.x.ignored.note(ignoredLife, node)
		return
	}
	i.settle(node, answerOf(r))
}

func (i *inquiry) item(node string, _ *fleetv1.Item) { i.x.ignored.note(ignoredGarbage, node) }

// abandon settles the missing answers: those nodes were asked, so they may have done something.
func (i *inquiry) abandon() {
	i.cancel()
	i.giveUp(pb.NodeStatus_NODE_STATUS_TIMED_OUT, leavingText+"; what became of it there is not known")
}
