package fleet

import (
	"context"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Asked is what another node was asked.
type Asked struct {
	Node string
	Question
}

// Script is a fleet of one real node, and of others that a test writes.
type Script struct {
	Members []Member // the other nodes
	Answer  func(ctx context.Context, a Asked) Answer
	State   pb.NodeState // of the real one
	origin  event.Origin
}

// NewScripted returns a node among those of a script.
func NewScripted(s *Script, self Self, bus Bus, local Local) *Node {
	s.origin = self.Cursor().Origin
	return &Node{config: Config{Fleet: "test", Self: self, Bus: bus}, local: local, roster: s, asker: s, log: hclog.NewNullLogger()}
}

func (s *Script) self() Member {
	return Member{Origin: s.origin, Self: true, State: max(s.State, pb.NodeState_NODE_STATE_LIVE)}
}

func (s *Script) known() []Member {
	all := append(slices.Clone(s.Members), s.self())
	slices.SortFunc(all, func(a, b Member) int { return strings.Compare(a.Node, b.Node) })
	return all
}

func (s *Script) all() []Member {
	return slices.DeleteFunc(s.known(), func(m Member) bool { return m.State == pb.NodeState_NODE_STATE_LEFT })
}

func (s *Script) find(name string) (Member, bool) {
	all := s.known()
	i := slices.IndexFunc(all, func(m Member) bool { return m.Node == name })
	if i < 0 {
		return Member{}, false
	}
	return all[i], true
}

func (s *Script) changed() <-chan struct{} { return nil }

func (s *Script) forget(name string) (Member, error) {
	m, _ := s.find(name)
	s.Members = slices.DeleteFunc(s.Members, func(m Member) bool { return m.Node == name })
	return m, nil
}

func (s *Script) ask(ctx context.Context, to []Member, q question) []answer {
	answers := make([]answer, len(to))
	for i := range to {
		if !to[i].asked() {
			answers[i] = notAsked(&to[i])
			continue
		}
		a := s.Answer(ctx, Asked{to[i].Node, Question{q.method, q.body, q.caller, q.wait}})
		answers[i] = answer{node: to[i].Node, status: a.Status, body: a.Body, err: a.Err, message: a.Message, elapsed: a.Elapsed}
	}
	return answers
}

func (s *Script) follow(context.Context, Member, question) stream { return nil }

// ErrorOf returns the gRPC status of an error that a method of the node returned, as the control plane makes it.
func (n *Node) ErrorOf(err error) error {
	if err == nil {
		return nil
	}
	return n.local.Status(err)
}

// WalkToken is a token of a walk.
type WalkToken struct{ Node, Token string }

// The versions of tokens.
const VersionConnections, VersionBans = versionConnections, versionBans

// Encode encodes it.
func (w WalkToken) Encode(version byte, parts ...string) string {
	t := walkToken{version: version, binding: bind(parts...), node: w.Node, token: w.Token}
	return t.encode()
}

// DecodeWalkToken decodes one.
func DecodeWalkToken(s string, version byte, parts ...string) (WalkToken, error) {
	t, err := decodeWalkToken(s, version, bind(parts...))
	if err != nil {
		return WalkToken{}, err
	}
	return WalkToken{t.node, t.token}, nil
}

// Alone returns a request as other nodes get it.
func Alone(r *pb.BroadcastRequest) *pb.BroadcastRequest { return alone(r) }

// MaxListed and MaxFailures are bounds.
const MaxFailures = maxFailures
