package exchange

import (
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// Bounds of a caller's names, because they are kept with bans and with every event of the caller's work. The identities
// of a node's own callers have the same bound.
const (
	maxIdentity = 1024
	maxWord     = 128 // of every other name
)

// targetsField is the number of Request.targets.
const targetsField protowire.Number = 4

// readRequest decodes a request. Before that it refuses more targets than a fleet has nodes: two bytes of a message
// become a hundred bytes of a target.
func readRequest(message []byte) (*fleetv1.Request, error) {
	targets := 0
	for rest := message; len(rest) > 0; {
		number, _, length := protowire.ConsumeField(rest)
		if length < 0 {
			return nil, protowire.ParseError(length)
		}
		if number == targetsField {
			targets++
		}
		rest = rest[length:]
	}
	if targets > member.MostMembers {
		return nil, fmt.Errorf("%d targets; a fleet has at most %d nodes", targets, member.MostMembers)
	}
	r := new(fleetv1.Request)
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(message, r); err != nil {
		return nil, err
	}
	return r, nil
}

// checkCaller refuses a caller with names that no node gives, because they go into logs, events and bans, and stay
// there. An identity may have any characters, as a certificate's may, and is quoted wherever it is written. The error
// is a gRPC status.
func checkCaller(c *fleetv1.Caller) error {
	if n := len(c.GetIdentity()); n > maxIdentity {
		return status.Errorf(codes.InvalidArgument, "the caller's identity has %d bytes; expected at most %d", n, maxIdentity)
	}
	for _, field := range []struct{ name, text string }{
		{"proof", c.GetProof()}, {"role", c.GetRole()}, {"address", c.GetAddress()}, {"request_id", c.GetRequestId()},
	} {
		if len(field.text) > maxWord || strings.ContainsFunc(field.text, func(r rune) bool { return r < ' ' || r > '~' }) {
			return status.Errorf(codes.InvalidArgument, "the caller's %s %.50q; expected at most %d printable ASCII characters",
				field.name, field.text,
				maxWord)
		}
	}
	return nil
}
