package fleet

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

type request interface {
	proto.Message
	GetScope() *pb.Scope
}

// verb is a unary method of GatewayService. Other nodes are asked for it by its name, this node by its Go method.
type verb[Q request, R proto.Message] struct {
	method string
	own    func(Local, context.Context, Q) (R, error)
}

// errand is a request and the nodes that get it.
type errand[Q request] struct {
	nodes   []member.Member
	request Q
}

// part is the result of an errand on one node.
type part[R proto.Message] struct {
	exchange.Answer
	response R // set if OK
}

// ask sends nodes on their errands, all at once, and returns the results in the order of the nodes' names. No node is
// on two errands. This node's own part runs in the caller's goroutine while the others do theirs. It has until the
// caller's deadline; the others have until then or until wait is over.
func (v verb[Q, R]) ask(ctx context.Context, n *Node, wait time.Duration, errands ...errand[Q]) []part[R] {
	ctx, cancel := inTime(ctx)
	defer cancel()
	answers := make([][]exchange.Answer, len(errands))
	var asking sync.WaitGroup
	for i, e := range errands {
		if others := slices.DeleteFunc(slices.Clone(e.nodes), func(m member.Member) bool { return m.Self }); len(others) > 0 {
			asking.Go(func() { answers[i] = v.askOthers(ctx, n, wait, others, e.request) })
		}
	}
	var parts []part[R]
	for _, e := range errands {
		if slices.ContainsFunc(e.nodes, func(m member.Member) bool { return m.Self }) {
			parts = append(parts, v.askSelf(ctx, n, e.request))
		}
	}
	asking.Wait()
	for _, a := range slices.Concat(answers...) {
		parts = append(parts, decoded[R](a))
	}
	slices.SortFunc(parts, func(a, b part[R]) int { return strings.Compare(a.Node, b.Node) })
	return parts
}

// askSelf does this node's own part. A panic becomes its result, so that the reply still reports the others' work.
func (v verb[Q, R]) askSelf(ctx context.Context, n *Node, r Q) (p part[R]) {
	began, self := time.Now(), n.roster.Self().Node
	defer func() {
		if reason := recover(); reason != nil {
			p = part[R]{Answer: refused(self, n.local.Panicked(reason))}
		}
		p.Elapsed = time.Since(began)
	}()
	response, err := v.own(n.local, ctx, r)
	if err != nil {
		return part[R]{Answer: refused(self, n.local.Status(err))}
	}
	return part[R]{Answer: exchange.Answer{Node: self, Status: pb.NodeStatus_NODE_STATUS_OK}, response: response}
}

// askOthers asks other nodes with one request.
func (v verb[Q, R]) askOthers(ctx context.Context, n *Node, wait time.Duration, others []member.Member,
	r Q) []exchange.Answer {
	body, err := proto.Marshal(alone(r))
	if err == nil {
		answers := n.askAll(ctx, others, v.method, body, within(ctx, wait))
		v.judge(n, others, answers)
		return answers
	}
	var answers []exchange.Answer
	for _, m := range others {
		answers = append(answers, refused(m.Node, n.local.Status(err)))
	}
	return answers
}

// judge replaces answers that are not about the node that gave them alone.
func (v verb[Q, R]) judge(n *Node, asked []member.Member, answers []exchange.Answer) {
	var response R
	for i := range answers {
		if !answers[i].OK() {
			continue
		}
		of := asked[i].Origin
		if err := wire.NewClaims(of).Check(response.ProtoReflect().Descriptor(), answers[i].Body); err != nil {
			answers[i] = n.distrusted(of, answers[i], err)
		}
	}
}

// askOne asks one node, which may be this one, and returns its encoded response.
func (v verb[Q, R]) askOne(ctx context.Context, n *Node, wait time.Duration, m member.Member, r Q) exchange.Answer {
	if !m.Self {
		return v.askOthers(ctx, n, wait, []member.Member{m}, r)[0]
	}
	p := v.askSelf(ctx, n, r)
	if p.Err != nil {
		return p.Answer
	}
	var err error
	if p.Body, err = proto.Marshal(p.response); err != nil {
		return refused(m.Node, n.local.Status(err))
	}
	return p.Answer
}

// alone returns a request in the form that other nodes get: each answers for itself alone. It shares the request's
// values.
func alone[Q request](r Q) Q {
	a := sharing(r)
	to := a.ProtoReflect()
	to.Set(to.Descriptor().Fields().ByName("scope"), protoreflect.ValueOfMessage((&pb.Scope{Local: true}).ProtoReflect()))
	return a
}

// sharing returns a request with the same fields. It shares their values, which may be large.
func sharing[Q request](r Q) Q {
	to := r.ProtoReflect().New()
	r.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		to.Set(f, v)
		return true
	})
	return to.Interface().(Q)
}

// decoded reads the response of an answer, without fields of a later version: they would be in a reply for all nodes.
func decoded[R proto.Message](a exchange.Answer) part[R] {
	p := part[R]{Answer: a}
	p.Body = nil
	if a.Status != pb.NodeStatus_NODE_STATUS_OK {
		return p
	}
	response := p.response.ProtoReflect().New().Interface().(R)
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(a.Body, response); err != nil {
		p.Answer = undecodable(a, err)
		return p
	}
	p.response = response
	return p
}

// undecodable replaces an answer that cannot be decoded.
func undecodable(a exchange.Answer, err error) exchange.Answer {
	u := refused(a.Node, status.Errorf(codes.Internal, "the answer of node %s cannot be read: %v", a.Node, err))
	u.Elapsed = a.Elapsed
	return u
}

// refused is the answer, with a gRPC status, of a node that failed: this node, or another one with a useless answer.
func refused(node string, err error) exchange.Answer {
	a := exchange.Answer{Node: node, Status: pb.NodeStatus_NODE_STATUS_ERROR, Err: err,
		Message: status.Convert(err).Message()}
	// The deadline is the caller's. The work that was done by then is unknown.
	if c := status.Code(err); c == codes.DeadlineExceeded || c == codes.Canceled {
		a.Status = pb.NodeStatus_NODE_STATUS_TIMED_OUT
	}
	return a
}

// roomless replaces the answer of a part that the reply has no room for.
func (p *part[R]) roomless(text string) {
	elapsed := p.Elapsed
	p.Answer = refused(p.Node, status.Error(codes.ResourceExhausted, text))
	p.Elapsed = elapsed
}

// okAnswer is the answer of a node that carried a request out.
func okAnswer(node string, elapsed time.Duration) exchange.Answer {
	return exchange.Answer{Node: node, Status: pb.NodeStatus_NODE_STATUS_OK, Elapsed: elapsed}
}

// others returns the parts of other nodes than this one.
func others[R proto.Message](n *Node, parts []part[R]) []part[R] {
	self := n.roster.Self().Node
	return slices.DeleteFunc(slices.Clone(parts), func(p part[R]) bool { return p.Node == self })
}
