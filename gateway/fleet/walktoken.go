package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
)

// walkToken is where a walk through a fleet goes on: stateless, so that any node can go on with it, opaque to callers, and bound to what
// the walk began with. Encoded: base64url of version, binding, length of the node's name, name, the node's own token, checksum. The
// checksum is no secret: it tells a token that was cut or changed on its way from a whole one.
type walkToken struct {
	version byte // of connections or of bans
	binding [bindingSize]byte
	node    string // the walk is at this node, or behind it: whoever joins meanwhile with a name behind it is walked too
	token   string // of the node; empty: the walk is behind it
}

const (
	// The versions of a gateway's own tokens are 1 and 2.
	versionConnections, versionBans byte = 3, 4
	bindingSize                          = 8
	checksumSize                         = 8
	maxWalkToken                         = 4096 // bytes of an encoded token
)

// bind is what a walk begins with: a token goes on with no other.
func bind(parts ...string) [bindingSize]byte {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return [bindingSize]byte(sum[:bindingSize])
}

func (t *walkToken) encode() string {
	b := append([]byte{t.version}, t.binding[:]...)
	b = append(b, byte(len(t.node)))
	b = append(append(b, t.node...), t.token...)
	return base64.RawURLEncoding.EncodeToString(append(b, checksum(b)...))
}

func checksum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:checksumSize]
}

// decodeWalkToken reads a token of a version and a binding; an empty one begins a walk.
func decodeWalkToken(s string, version byte, binding [bindingSize]byte) (*walkToken, error) {
	t := &walkToken{version: version, binding: binding}
	if s == "" {
		return t, nil
	}
	bad := &contract.Problem{Code: codes.InvalidArgument, Reason: contract.ReasonInvalidPageToken, Field: "page_token",
		Text: "page_token is not one that this fleet gave out; start the walk again without it"}
	if len(s) > maxWalkToken || strings.ContainsAny(s, "\r\n") {
		return nil, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	const head = 1 + bindingSize + 1
	if err != nil || len(b) < head+checksumSize || b[0] != version {
		return nil, bad
	}
	b, sum := b[:len(b)-checksumSize], b[len(b)-checksumSize:]
	length := int(b[head-1])
	if !bytes.Equal(sum, checksum(b)) || len(b) < head+length || !event.ValidNode(string(b[head:head+length])) {
		return nil, bad
	}
	if [bindingSize]byte(b[1:]) != binding {
		return nil, &contract.Problem{Code: codes.InvalidArgument, Reason: contract.ReasonPageTokenMismatch, Field: "page_token",
			Text: "page_token belongs to a walk with another filter, state or scope; keep them the same, or start again without it"}
	}
	t.node, t.token = string(b[head:head+length]), string(b[head+length:])
	return t, nil
}
