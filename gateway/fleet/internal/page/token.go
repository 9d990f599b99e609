package page

import (
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
)

// Token is where a walk through a fleet goes on. It is stateless, so that any node can go on with it. It is opaque
// to callers, and bound to the filter, state and scope that the walk began with. Its body (contract.SealToken) is
// binding, length of the node's name, name, the node's own token.
type Token struct {
	Version contract.TokenVersion // of connections or of bans
	Binding [contract.BindingSize]byte
	Node    string // the walk is at this node, or past it: a node that joins meanwhile with a later name is walked too
	Own     string // the node's own token; empty: the walk is past the node
}

// maxToken is the most bytes that an encoded token may have.
const maxToken = 4096

// Bind returns the binding of a walk that begins with these texts.
func Bind(parts ...string) [contract.BindingSize]byte {
	return contract.Bind(strings.Join(parts, "\x00"))
}

// Encode returns the token as text.
func (t *Token) Encode() string {
	b := append(t.Binding[:], byte(len(t.Node)))
	return contract.SealToken(t.Version, append(append(b, t.Node...), t.Own...))
}

// Decode reads a token of a version and a binding. An empty token begins a walk.
func Decode(s string, version contract.TokenVersion, binding [contract.BindingSize]byte) (*Token, error) {
	t := &Token{Version: version, Binding: binding}
	if s == "" {
		return t, nil
	}
	body, ok := contract.OpenToken(s, version, maxToken)
	if !ok || !t.read(body) {
		return nil, &contract.Problem{Code: codes.InvalidArgument, Reason: contract.ReasonInvalidPageToken,
			Field: "page_token",
			Text:  "page_token is not one that this fleet gave out; start the walk again without it"}
	}
	if t.Binding != binding {
		return nil, &contract.Problem{Code: codes.InvalidArgument, Reason: contract.ReasonPageTokenMismatch,
			Field: "page_token",
			Text: "page_token belongs to a walk with another filter, state or scope; keep them the same, or start again " +
				"without it"}
	}
	return t, nil
}

// read takes the fields of a token from its body. It reports false if the body lacks one.
func (t *Token) read(body []byte) bool {
	const head = contract.BindingSize + 1
	if len(body) < head {
		return false
	}
	length := int(body[head-1])
	if len(body) < head+length || !event.ValidNode(string(body[head:head+length])) {
		return false
	}
	t.Binding = [contract.BindingSize]byte(body)
	t.Node, t.Own = string(body[head:head+length]), string(body[head+length:])
	return true
}
