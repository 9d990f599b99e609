package exchange

import (
	"crypto/rand"
	"errors"
	"fmt"
	"iter"

	"google.golang.org/protobuf/proto"

	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// Bounds of messages between nodes. They belong to the contract and are the same in every node of a fleet.
const (
	partSize    = 256 << 10 // of an envelope's body
	messageSize = 8 << 20
	maxParts    = messageSize / partSize
)

// messageID identifies a request, its answers, and the credits and cancels that belong to it.
type messageID [16]byte

func newMessageID() messageID {
	var id messageID
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// kind is the kind of message that an envelope carries, whole or in part.
type kind uint8

const (
	kindRequest kind = iota
	kindReply
	kindItem
)

// sizeError says that a message is too large to be sent.
type sizeError struct{ size int }

// Error says how large the message is and how large it may be.
func (e *sizeError) Error() string {
	return fmt.Sprintf("a message of %d bytes; nodes send each other at most %d", e.size, messageSize)
}

// envelopes yields the envelopes of a message: one, or its parts in order.
func envelopes(id messageID, k kind, message []byte) iter.Seq[*fleetv1.Envelope] {
	return func(yield func(*fleetv1.Envelope) bool) {
		if len(message) <= partSize {
			yield(seal(id, k, message))
			return
		}
		parts := (len(message) + partSize - 1) / partSize
		for part := range parts {
			e := seal(id, k, message[part*partSize:min((part+1)*partSize, len(message))])
			e.Part, e.Parts = uint32(part), uint32(parts)
			if !yield(e) {
				return
			}
		}
	}
}

// seal puts a body into an envelope.
func seal(id messageID, k kind, body []byte) *fleetv1.Envelope {
	e := &fleetv1.Envelope{Id: id[:]}
	switch k {
	case kindRequest:
		e.Body = &fleetv1.Envelope_Request{Request: body}
	case kindReply:
		e.Body = &fleetv1.Envelope_Reply{Reply: body}
	case kindItem:
		e.Body = &fleetv1.Envelope_Item{Item: body}
	}
	return e
}

// unseal decodes an envelope. It does not keep data.
func unseal(data []byte) (*fleetv1.Envelope, messageID, error) {
	e := new(fleetv1.Envelope)
	if len(data) > 2*partSize {
		return nil, messageID{}, errors.New("an envelope that is larger than any")
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, e); err != nil {
		return nil, messageID{}, err
	}
	if len(e.GetId()) != len(messageID{}) {
		return nil, messageID{}, errors.New("an envelope without an id")
	}
	if e.GetParts() > maxParts || e.GetPart() >= max(e.GetParts(), 1) {
		return nil, messageID{}, errors.New("an envelope with a part that no message has")
	}
	return e, messageID(e.GetId()), nil
}

// publish sends a message to the subject, in as many envelopes as it takes. If a part cannot be sent, the later parts
// are not sent either, so that no node can assemble the message. An error therefore means that the message was not
// sent. It is a *sizeError or the bus's.
func (x *Exchange) publish(subject string, id messageID, k kind, message []byte) error {
	if len(message) > messageSize {
		return &sizeError{len(message)}
	}
	for e := range envelopes(id, k, message) {
		if err := x.put(subject, e); err != nil {
			return err
		}
	}
	return nil
}

func (x *Exchange) put(subject string, e *fleetv1.Envelope) error {
	data, err := proto.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding an envelope: %w", err)
	}
	return x.bus.Publish(subject, data)
}
