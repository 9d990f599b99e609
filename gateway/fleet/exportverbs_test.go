package fleet

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/fleet/internal/page"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Asked is a request that another node got.
type Asked struct {
	Node string
	Question
}

// Script is a fleet of one real node, and of others whose answers a test writes.
type Script struct {
	Members []member.Member // the other nodes
	Answer  func(ctx context.Context, a Asked) Answer
	State   pb.NodeState // of the real node
	origin  event.Origin
}

// NewScripted returns a node among the nodes of a script.
func NewScripted(s *Script, self member.Self, bus bus.Bus, local Local) *Node {
	s.origin = self.Cursor().Origin
	return &Node{core: core{config: Config{Fleet: "test", Self: self, Bus: bus}, local: local, roster: s}, asker: s,
		log: hclog.NewNullLogger(), shares: newShares()}
}

func (s *Script) Self() member.Member {
	return member.Member{Origin: s.origin, Self: true, State: max(s.State, pb.NodeState_NODE_STATE_LIVE)}
}

func (s *Script) Known() []member.Member {
	all := append(slices.Clone(s.Members), s.Self())
	slices.SortFunc(all, func(a, b member.Member) int { return strings.Compare(a.Node, b.Node) })
	return all
}

func (s *Script) All() []member.Member {
	return slices.DeleteFunc(s.Known(), func(m member.Member) bool { return m.State == pb.NodeState_NODE_STATE_LEFT })
}

func (s *Script) Find(name string) (member.Member, bool) {
	all := s.Known()
	i := slices.IndexFunc(all, func(m member.Member) bool { return m.Node == name })
	if i < 0 {
		return member.Member{}, false
	}
	return all[i], true
}

func (s *Script) Changed() <-chan struct{} { return nil }

func (s *Script) Forget(name string) (member.Member, error) {
	m, _ := s.Find(name)
	s.Members = slices.DeleteFunc(s.Members, func(m member.Member) bool { return m.Node == name })
	return m, nil
}

func (s *Script) Ask(ctx context.Context, to []member.Member, q exchange.Question) []exchange.Answer {
	answers := make([]exchange.Answer, len(to))
	for i := range to {
		if !to[i].Asked() {
			answers[i] = exchange.NotAsked(&to[i])
			continue
		}
		a := s.Answer(ctx, Asked{to[i].Node, Question{q.Method, q.Body, q.Caller, q.Wait}})
		answers[i] = exchange.Answer{Node: to[i].Node, Status: a.Status, Body: a.Body, Err: a.Err, Message: a.Message,
			Elapsed: a.Elapsed}
	}
	return answers
}

func (s *Script) Follow(context.Context, member.Member, exchange.Question) exchange.Stream {
	return nil
}

// ErrorOf returns the gRPC status that the control plane makes of an error of the node's methods.
func (n *Node) ErrorOf(err error) error {
	if err == nil {
		return nil
	}
	return n.local.Status(err)
}

// WalkToken exports page.Token.
type WalkToken struct{ Node, Token string }

// Versions of tokens.
const VersionConnections, VersionBans = contract.TokenOfFleetConnections, contract.TokenOfFleetBans

// Encode exports page.Token.Encode.
func (w WalkToken) Encode(version contract.TokenVersion, parts ...string) string {
	t := page.Token{Version: version, Binding: page.Bind(parts...), Node: w.Node, Own: w.Token}
	return t.Encode()
}

// DecodeWalkToken exports page.Decode.
func DecodeWalkToken(s string, version contract.TokenVersion, parts ...string) (WalkToken, error) {
	t, err := page.Decode(s, version, page.Bind(parts...))
	if err != nil {
		return WalkToken{}, err
	}
	return WalkToken{t.Node, t.Own}, nil
}

// Alone returns a request in the form that other nodes get.
func Alone(r *pb.BroadcastRequest) *pb.BroadcastRequest { return alone(r) }

// MaxFailures exports maxFailures.
const MaxFailures = maxFailures

// Question exports exchange.Question.
type Question struct {
	Method string
	Body   []byte
	Caller event.Actor
	Wait   time.Duration
}

func (q Question) Question() exchange.Question {
	return exchange.Question{Method: q.Method, Body: q.Body, Caller: q.Caller, Wait: q.Wait}
}

// Answer exports exchange.Answer.
type Answer struct {
	Node    string
	Status  pb.NodeStatus
	Body    []byte
	Err     error
	Message string
	Elapsed time.Duration
}

func Exported(a exchange.Answer) Answer {
	return Answer{a.Node, a.Status, a.Body, a.Err, a.Message, a.Elapsed}
}
