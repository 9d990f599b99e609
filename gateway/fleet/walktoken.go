package fleet

import (
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
)

// walkToken is where a walk through a fleet goes on. It is stateless, so that any node can go on with it. It is opaque
// to callers, and bound to the filter, state and scope that the walk began with. Its body (contract.SealToken) is
// binding, length of the node's name, name, the node's own token.
type walkToken struct {
	version contract.TokenVersion // of connections or of bans
	binding [contract.BindingSize]byte
	node    string // the walk is at this node, or past it: a node that joins meanwhile with a later name is walked too
	token   string // the node's own token; empty: the walk is past the node
}

// maxWalkToken is the most bytes that an encoded token may have.
const maxWalkToken = 4096

// bind returns the binding of a walk that begins with these texts.
func bind(parts ...string) [contract.BindingSize]byte {
	return contract.Bind(strings.Join(parts, "\x00"))
}

func (t *walkToken) encode() string {
	b := append(t.binding[:], byte(len(t.node)))
	return contract.SealToken(t.version, append(append(b, t.node...), t.token...))
}

// decodeWalkToken reads a token of a version and a binding. An empty token begins a walk.
func decodeWalkToken(s string, version contract.TokenVersion, binding [contract.BindingSize]byte) (*walkToken, error) {
	t := &walkToken{version: version, binding: binding}
	if s == "" {
		return t, nil
	}
	body, ok := contract.OpenToken(s, version, maxWalkToken)
	if !ok || !t.read(body) {
		return nil, &contract.Problem{Code: codes.InvalidArgument, Reason: contract.ReasonInvalidPageToken,
			Field: "page_token",
			Text:  "page_token is not one that this fleet gave out; start the walk again without it"}
	}
	if t.binding != binding {
		return nil, &contract.Problem{Code: codes.InvalidArgument, Reason: contract.ReasonPageTokenMismatch,
			Field: "page_token",
			Text: "page_token belongs to a walk with another filter, state or scope; keep them the same, or start again " +
				"without it"}
	}
	return t, nil
}

// read takes the fields of a token from its body. It reports false if the body lacks one.
func (t *walkToken) read(body []byte) bool {
	const head = contract.BindingSize + 1
	if len(body) < head {
		return false
	}
	length := int(body[head-1])
	if len(body) < head+length || !event.ValidNode(string(body[head:head+length])) {
		return false
	}
	t.binding = [contract.BindingSize]byte(body)
	t.node, t.token = string(body[head:head+length]), string(body[head+length:])
	return true
}
