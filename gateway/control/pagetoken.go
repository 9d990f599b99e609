package control

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// pageToken is where a walk goes on. It is stateless, opaque to callers, and bound to the filter and state that the
// walk began with. Its body (contract.SealToken) is binding, uvarint after, uvarint upTo, cursor.
type pageToken struct {
	binding [contract.BindingSize]byte
	after   uint64
	// the newest seq when the walk began, so that it ends however many connect meanwhile; 0 before the first page
	upTo   uint64
	cursor event.Cursor
}

// maxToken is the most bytes that an encoded token may have. A real one has fewer than 140.
const maxToken = 256

// tokenError explains why a page token is refused.
type tokenError struct {
	reason string // of the ErrorInfo
	text   string
}

// Error says what is wrong and what to do.
func (e *tokenError) Error() string { return e.text }

var errToken = &tokenError{reason: contract.ReasonInvalidPageToken,
	text: "page_token is not one that this gateway gave out; start the walk again without it"}

// pageToken reads the token of a request. An empty one begins a walk.
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

// bind hashes the parts of a request that must stay equal throughout a walk.
func bind(r *pb.ListConnectionsRequest) [contract.BindingSize]byte {
	return contract.Bind(strconv.Itoa(int(listState(r.GetState()))) + " " + r.GetFilter())
}

func (t *pageToken) encode() string {
	b := binary.AppendUvarint(t.binding[:], t.after)
	b = binary.AppendUvarint(b, t.upTo)
	return contract.SealToken(contract.TokenOfConnections, append(b, t.cursor.String()...))
}

func decodeToken(s string) (pageToken, error) {
	var t pageToken
	body, ok := contract.OpenToken(s, contract.TokenOfConnections, maxToken)
	if !ok || len(body) < contract.BindingSize {
		return t, errToken
	}
	t.binding = [contract.BindingSize]byte(body)
	rest := body[contract.BindingSize:]
	for _, field := range []*uint64{&t.after, &t.upTo} {
		v, n := binary.Uvarint(rest)
		if n <= 0 || !bytes.Equal(binary.AppendUvarint(nil, v), rest[:n]) {
			return t, errToken
		}
		*field, rest = v, rest[n:]
	}
	var err error
	if t.cursor, err = event.ParseCursor(string(rest)); err != nil {
		return t, errToken
	}
	return t, nil
}
