package control

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// pageToken is where a walk goes on: stateless, opaque to callers, and bound to the filter and state that it began with.
// Encoded: base64url of version, binding, uvarint after, uvarint upTo, cursor, checksum. The checksum is no secret: it tells a token that
// was cut or changed on its way from a whole one, which would otherwise go on silently at another place.
type pageToken struct {
	binding [contract.BindingSize]byte
	after   uint64
	upTo    uint64 // the newest seq when the walk began, so that it ends however many connect meanwhile; 0 before the first page
	cursor  event.Cursor
}

const (
	tokenVersion = 1 // ban tokens have another

	maxToken = 256 // bytes of an encoded token; a real one has under 140
)

// tokenError says what is wrong with a page token.
type tokenError struct {
	reason string // of the ErrorInfo
	text   string
}

func (e *tokenError) Error() string { return e.text }

var errToken = &tokenError{reason: contract.ReasonInvalidPageToken, text: "page_token is not one that this gateway gave out; start the walk again without it"}

// pageToken reads the token of a request, or begins a walk.
func (s *Service) pageToken(r *pb.ListConnectionsRequest) (pageToken, error) {
	binding := bind(r)
	now := s.gateway.Cursor()
	if r.GetPageToken() == "" {
		return pageToken{binding: binding, cursor: now}, nil
	}
	t, err := decodeToken(r.GetPageToken())
	switch {
	case err != nil:
		return t, err
	case t.binding != binding:
		return t, &tokenError{reason: contract.ReasonPageTokenMismatch,
			text: "page_token belongs to a walk with another filter or state; keep them the same, or start again without it"}
	case t.cursor.Origin != now.Origin:
		return t, &tokenError{reason: contract.ReasonPageTokenMismatch, text: fmt.Sprintf(
			"page_token is of %s.%s; this is %s.%s: the node has restarted or is another; start again without it",
			t.cursor.Node, t.cursor.Incarnation, now.Node, now.Incarnation)}
	}
	return t, nil
}

// bind is what a token and the request that it is used in must have in common.
func bind(r *pb.ListConnectionsRequest) [contract.BindingSize]byte {
	sum := sha256.Sum256([]byte(strconv.Itoa(int(listState(r.GetState()))) + " " + r.GetFilter()))
	return [contract.BindingSize]byte(sum[:contract.BindingSize])
}

func (t *pageToken) encode() string {
	b := append([]byte{tokenVersion}, t.binding[:]...)
	b = binary.AppendUvarint(b, t.after)
	b = binary.AppendUvarint(b, t.upTo)
	b = append(b, t.cursor.String()...)
	return base64.RawURLEncoding.EncodeToString(append(b, contract.Checksum(b)...))
}

func decodeToken(s string) (pageToken, error) {
	var t pageToken
	if len(s) > maxToken {
		return t, errToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < 1+contract.BindingSize+contract.ChecksumSize || b[0] != tokenVersion || strings.ContainsAny(s, "\r\n") {
		return t, errToken
	}
	b, sum := b[:len(b)-contract.ChecksumSize], b[len(b)-contract.ChecksumSize:]
	if !bytes.Equal(sum, contract.Checksum(b)) {
		return t, errToken
	}
	t.binding = [contract.BindingSize]byte(b[1:])
	rest := b[1+contract.BindingSize:]
	for _, field := range []*uint64{&t.after, &t.upTo} {
		v, n := binary.Uvarint(rest)
		if n <= 0 || !bytes.Equal(binary.AppendUvarint(nil, v), rest[:n]) {
			return t, errToken
		}
		*field, rest = v, rest[n:]
	}
	if t.cursor, err = event.ParseCursor(string(rest)); err != nil {
		return t, errToken
	}
	return t, nil
}
