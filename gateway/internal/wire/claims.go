package wire

import (
	"bytes"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
)

// Claims checks the encoded responses of another node: a response can be only about the node that sent it, and its form
// must be one that nodes give. They go through the bytes once, without decoding them. Claims never change and may be
// used from any goroutine.
type Claims struct {
	origin event.Origin
	place  []byte // `node.incarnation`
}

// NewClaims returns the check of what one life of a node sends.
func NewClaims(o event.Origin) *Claims {
	return &Claims{origin: o, place: []byte(o.Node + "." + o.Incarnation)}
}

// ClaimError says that a node sent something that no honest node sends. Its text is about the node as `it`.
type ClaimError struct{ text string }

// Error returns the text.
func (e *ClaimError) Error() string { return e.text }

// NewClaimError returns a ClaimError with a formatted text.
func NewClaimError(format string, args ...any) *ClaimError {
	return &ClaimError{fmt.Sprintf(format, args...)}
}

// Check checks an encoded response of a method of GatewayService. The error is a *ClaimError. Fields that this version
// does not know are passed over. A response that passes takes at most some 20 MiB when it is decoded without them.
func (c *Claims) Check(m protoreflect.MessageDescriptor, b []byte) error {
	s := shapes()[m.FullName()]
	switch {
	case s == nil:
		return NewClaimError("it sent a %s, which no method returns", m.FullName())
	case len(b) > maxResponse:
		return NewClaimError("it sent a %s of %d bytes; expected at most %d", s.name.Name(), len(b), maxResponse)
	}
	left := maxRecords
	return c.message(s, b, &left)
}

const (
	// maxResponse is the most bytes of a response: its rows or events, and what is around them.
	maxResponse = contract.MaxResponse + 64<<10
	// maxRecords is the most fields of a response, in all its messages: two bytes on the wire may become a hundred of
	// memory. A batch of CONTROL events with all their texts has 130,000.
	maxRecords = 1 << 18
)

// message checks an encoded message, which may have so many fields that are left.
func (c *Claims) message(s *shape, b []byte, left *int) error {
	var counts [maxNumber]uint16
	var seconds, nanos int64
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 || kind == protowire.StartGroupType || kind == protowire.EndGroupType {
			return NewClaimError("it sent a %s that cannot be decoded", s.name.Name())
		}
		length := protowire.ConsumeFieldValue(number, kind, b[n:])
		if length < 0 {
			return NewClaimError("it sent a %s that is cut or garbled", s.name.Name())
		}
		value := b[n : n+length]
		b = b[n+length:]
		if number >= maxNumber || s.fields[number] == nil {
			continue
		}
		f := s.fields[number]
		if counts[number]++; counts[number] > f.most {
			return NewClaimError("it sent a %s with more than %d %s", s.name.Name(), f.most, f.name)
		}
		if *left--; *left < 0 {
			return NewClaimError("it sent a response of more than %d fields", maxRecords)
		}
		if err := c.field(s, f, kind, value, left); err != nil {
			return err
		}
		if s.span.most != 0 {
			v, _ := protowire.ConsumeVarint(value)
			if number == 1 {
				seconds = int64(v)
			} else {
				nanos = int64(int32(v))
			}
		}
	}
	for _, number := range s.required {
		if counts[number] == 0 {
			return NewClaimError("it sent a %s without %s", s.name.Name(), s.fields[number].name)
		}
	}
	return s.inTime(seconds, nanos)
}

// inTime checks the value of a Timestamp or a Duration: others have no form as text.
func (s *shape) inTime(seconds, nanos int64) error {
	if s.span.most == 0 {
		return nil
	}
	backwards := s.span == durations && seconds <= 0 && nanos > -1e9 && nanos <= 0
	if seconds < s.span.least || seconds > s.span.most || (nanos < 0 || nanos >= 1e9) && !backwards ||
		s.span == durations && seconds < 0 && nanos > 0 {
		return NewClaimError("it sent a %s of %d s and %d ns, which is none", s.name.Name(), seconds, nanos)
	}
	return nil
}

// field checks the value of a field, still with its length if it has one.
func (c *Claims) field(s *shape, f *shapeField, kind protowire.Type, value []byte, left *int) error {
	if kind != f.wire {
		return NewClaimError("it sent a %s whose %s is of another type", s.name.Name(), f.name)
	}
	if kind != protowire.BytesType {
		if v, _ := protowire.ConsumeVarint(value); f.rule == natural && v > math.MaxInt64 {
			return NewClaimError("it sent a %s with %s %d; expected a number that is not negative", s.name.Name(), f.name,
				int64(v))
		}
		return nil
	}
	bytes, _ := protowire.ConsumeBytes(value)
	switch {
	case f.message != nil:
		return c.message(f.message, bytes, left)
	case len(bytes) > f.size:
		return NewClaimError("it sent a %s whose %s has %d bytes; expected at most %d", s.name.Name(), f.name, len(bytes),
			f.size)
	case f.text && !utf8.Valid(bytes):
		return NewClaimError("it sent a %s whose %s is no text", s.name.Name(), f.name)
	}
	if wanted := c.lacks(f.rule, bytes); wanted != "" {
		return NewClaimError("it sent a %s whose %s is %.100q; expected %s", s.name.Name(), f.name, bytes, wanted)
	}
	return nil
}

// lacks says what a rule expects in place of a text, or "" if the text keeps the rule.
func (c *Claims) lacks(r rule, text []byte) string {
	switch r {
	case ownNode:
		if string(text) != c.origin.Node {
			return "its own name, " + c.origin.Node
		}
	case ownLife:
		if string(text) != c.origin.Incarnation {
			return "its own, " + c.origin.Incarnation
		}
	case someNode:
		if len(text) > 0 && !event.ValidNode(string(text)) {
			return "the name of a node"
		}
	case ownID:
		if !c.owns(text, '.') || text[len(c.place)+1] == '0' {
			return "an ID of its own, " + string(c.place) + ".N"
		}
	case ownTarget:
		if id, err := event.ParseID(string(text)); err != nil || id.Node != c.origin.Node ||
			event.CompareIncarnations(id.Incarnation, c.origin.Incarnation) != 0 {
			return "an ID of its own, " + string(c.place) + ".N"
		}
	case ownCursor:
		if len(text) > 0 && !c.owns(text, '@') {
			return "a position of its own, " + string(c.place) + "@N"
		}
	case ownPosition:
		if at, err := event.ParseCursor(string(text)); len(text) > 0 && string(text) != "0" &&
			(err != nil || at.Node != c.origin.Node) {
			return "a position of its own"
		}
	case pageToken:
		if !readsAsToken(text) {
			return fmt.Sprintf("at most %d letters, digits, - and _", maxToken)
		}
	case handlerName:
		if !event.ValidNode(string(text)) { // the form is the same
			return "1 to 32 of a-z, 0-9 and -"
		}
	case instanceName:
		if !readsAsInstance(text) {
			return fmt.Sprintf("1 to %d letters, digits, ., _ and -", maxInstance)
		}
	}
	return ""
}

// owns reports whether a text is the node's place, a separator, and a number as nodes write it.
func (c *Claims) owns(text []byte, separator byte) bool {
	rest, ok := bytes.CutPrefix(text, c.place)
	if !ok || len(rest) < 2 || len(rest) > 1+20 || rest[0] != separator {
		return false
	}
	digits := rest[1:]
	for _, d := range digits {
		if d < '0' || d > '9' {
			return false
		}
	}
	const greatest = "18446744073709551615"
	return (digits[0] != '0' || len(digits) == 1) && (len(digits) < len(greatest) || string(digits) <= greatest)
}

// maxToken is the most bytes of a node's own page token. One of bans has up to 1,380, because a target is in it.
const maxToken = 2048

func readsAsToken(text []byte) bool {
	for _, b := range text {
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '-' || b == '_' || b == '=') {
			return false
		}
	}
	return len(text) <= maxToken
}

// maxInstance is the most bytes of an instance's name.
const maxInstance = 64

func readsAsInstance(text []byte) bool {
	for _, b := range text {
		if !('a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '.' || b == '_' || b == '-') {
			return false
		}
	}
	return len(text) > 0 && len(text) <= maxInstance
}

// Field numbers of Event that CheckEvent looks at.
const (
	fieldType         protowire.Number = 5
	firstDetail       protowire.Number = 10
	detailOfListener  protowire.Number = 10
	detailOfConnected protowire.Number = 11
	detailOfData      protowire.Number = 12
	detailOfIdle      protowire.Number = 13
	detailOfPause     protowire.Number = 14
	detailOfError     protowire.Number = 15
	detailOfClosed    protowire.Number = 16
	detailOfDrain     protowire.Number = 17
	detailOfControl   protowire.Number = 18
	detailOfGap       protowire.Number = 19
	detailOfSnapshot  protowire.Number = 20
	detailOfRefused   protowire.Number = 21
	detailOfMember    protowire.Number = 22
	detailOfHandler   protowire.Number = 23
	detailOfStalled   protowire.Number = 24
	lastDetail        protowire.Number = 24
)

// details are the details that each type of event has; 0: none.
var details = [event.TypeCount]protowire.Number{
	event.Listening: detailOfListener, event.ListenerClosed: detailOfListener, event.Connected: detailOfConnected,
	event.Data: detailOfData, event.IdleTimeout: detailOfIdle, event.BackpressureOn: detailOfPause,
	event.BackpressureOff: detailOfPause, event.Error: detailOfError, event.Closed: detailOfClosed,
	event.DrainStarted: detailOfDrain, event.DrainProgress: detailOfDrain, event.DrainEnded: detailOfDrain,
	event.Control: detailOfControl, event.Gap: detailOfGap, event.SnapshotComplete: detailOfSnapshot,
	event.Refused: detailOfRefused, event.NodeJoined: detailOfMember, event.NodeSuspect: detailOfMember,
	event.NodeUnreachable: detailOfMember, event.NodeRecovered: detailOfMember, event.NodeLeft: detailOfMember,
	event.NodeViolation: detailOfMember, event.HandlerAttached: detailOfHandler, event.HandlerDetached: detailOfHandler,
	event.HandlerStalled: detailOfStalled,
}

// CheckEvent returns the type of an encoded Event of a response that Check has passed. The type must be among those
// that the node was asked for, and the event must have the details of its type. The error is a *ClaimError.
func CheckEvent(b []byte, asked event.Types) (event.Type, error) {
	var kind uint64
	var detail protowire.Number
	for len(b) > 0 {
		number, of, n := protowire.ConsumeTag(b)
		if n < 0 {
			return 0, NewClaimError("it sent an event that cannot be decoded")
		}
		length := protowire.ConsumeFieldValue(number, of, b[n:])
		if length < 0 {
			return 0, NewClaimError("it sent an event that cannot be decoded")
		}
		switch {
		case number == fieldType:
			kind, _ = protowire.ConsumeVarint(b[n:])
		case number >= firstDetail && number <= lastDetail:
			if detail != 0 {
				return 0, NewClaimError("it sent an event with the details of two types")
			}
			detail = number
		}
		b = b[n+length:]
	}
	switch {
	case kind == 0 || kind >= uint64(event.TypeCount) || !asked.Has(event.Type(kind)):
		return 0, NewClaimError("it sent an event of type %s, which it was not asked for", kindText(kind))
	case detail != 0 && detail != details[kind]:
		return 0, NewClaimError("it sent an event of type %s with the details of another type", kindText(kind))
	}
	return event.Type(kind), nil
}

// kindText is the name of a type of event, or its number.
func kindText(kind uint64) string {
	if kind < uint64(event.TypeCount) {
		return event.Type(kind).String()
	}
	return contract.Short(fmt.Sprint(kind))
}
