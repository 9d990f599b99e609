package wire

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sockgate/sockgate/gateway/lane"
)

// MaxCommands is the most commands of one sockgate.v1.AttachRequest.
const MaxCommands = 4096

// maxLabels is the most labels that a command sets, and the most that it removes. Without a bound, two bytes on the
// wire could become a hundred of memory.
const maxLabels = 64

// The numbers of the fields of AttachRequest.
const (
	fieldHello    protowire.Number = 1
	fieldCommands protowire.Number = 2
	fieldDrain    protowire.Number = 3
)

var (
	errMalformed = errors.New("the request is no sockgate.v1.AttachRequest")
	errHello     = errors.New("hello comes a second time: it belongs into the first request, and only there")
	errLabels    = fmt.Errorf("a command sets or removes too many labels: at most %d are allowed", maxLabels)
	errCommands  = fmt.Errorf("the request has too many commands: at most %d are allowed", MaxCommands)
)

// EachCommand calls each for the commands of an encoded sockgate.v1.AttachRequest, in their order, until it returns an
// error. The command and its Data are valid only during the call. drain is nil without one. The error is each's, or
// says what is wrong with the request; the commands before it were handed out.
func EachCommand(request []byte, each func(*lane.Command) error) (drain *time.Duration, err error) {
	var c lane.Command
	for n := 0; len(request) > 0; {
		field, body, rest, err := next(request)
		switch {
		case err != nil:
			return nil, err
		case field.is(fieldHello, protowire.BytesType):
			return nil, errHello
		case field.is(fieldDrain, protowire.BytesType):
			within, err := duration(body)
			if err != nil {
				return nil, err
			}
			drain = &within
		case field.is(fieldCommands, protowire.BytesType):
			if n++; n > MaxCommands {
				return nil, errCommands
			}
			c = lane.Command{}
			if err := command(body, &c); err != nil {
				return nil, err
			}
			if err := each(&c); err != nil {
				return nil, err
			}
		}
		request = rest
	}
	return drain, nil
}

// tag is a field's number and type, and its value if it is a number.
type tag struct {
	number protowire.Number
	kind   protowire.Type
	value  uint64
}

func (t tag) is(n protowire.Number, kind protowire.Type) bool { return t.number == n && t.kind == kind }

// next splits the first field from a message. body has the field's bytes, if it has some.
func next(message []byte) (t tag, body, rest []byte, err error) {
	number, kind, n := protowire.ConsumeTag(message)
	if n < 0 {
		return t, nil, nil, errMalformed
	}
	message = message[n:]
	t = tag{number: number, kind: kind}
	switch kind {
	case protowire.VarintType:
		t.value, n = protowire.ConsumeVarint(message)
	case protowire.BytesType:
		body, n = protowire.ConsumeBytes(message)
	default:
		n = protowire.ConsumeFieldValue(number, kind, message)
	}
	if n < 0 {
		return t, nil, nil, errMalformed
	}
	return t, body, message[n:], nil
}

// command decodes a sockgate.v1.Command.
func command(message []byte, c *lane.Command) error {
	for len(message) > 0 {
		t, body, rest, err := next(message)
		if err != nil {
			return err
		}
		message = rest
		switch t.kind {
		case protowire.VarintType:
			t.set(c)
		case protowire.BytesType:
			if err := setBytes(c, t.number, body); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t tag) set(c *lane.Command) {
	switch t.number {
	case 1:
		c.Connection = t.value
	case 3:
		c.Acknowledged = t.value
	case 8:
		notify := t.value != 0
		c.NotifyIdle = &notify
	}
}

func setBytes(c *lane.Command, field protowire.Number, body []byte) error {
	switch field {
	case 2:
		c.Data = body
	case 4:
		c.State = append([]byte{}, body...) // it is kept
	case 5:
		return setLabel(c, body)
	case 6:
		if len(c.RemoveLabels) == maxLabels {
			return errLabels
		}
		c.RemoveLabels = append(c.RemoveLabels, string(body))
	case 7:
		timeout, err := duration(body)
		c.IdleTimeout = &timeout
		return err
	case 9:
		return setClose(c, body)
	case 10:
		c.MoveTo = string(body)
	}
	return nil
}

func setLabel(c *lane.Command, entry []byte) error {
	var texts [3]string // by the number of the field
	for len(entry) > 0 {
		t, body, rest, err := next(entry)
		if err != nil {
			return err
		}
		if t.kind == protowire.BytesType && t.number < 3 {
			texts[t.number] = string(body)
		}
		entry = rest
	}
	switch {
	case len(c.SetLabels) == maxLabels:
		return errLabels
	case c.SetLabels == nil:
		c.SetLabels = make(map[string]string)
	}
	c.SetLabels[texts[1]] = texts[2]
	return nil
}

func setClose(c *lane.Command, message []byte) error {
	c.Close = true
	for len(message) > 0 {
		t, body, rest, err := next(message)
		if err != nil {
			return err
		}
		switch {
		case t.is(1, protowire.BytesType):
			c.Text = string(bytes.ToValidUTF8(body, []byte("\uFFFD")))
		case t.is(2, protowire.VarintType):
			c.Reset = t.value != 0
		}
		message = rest
	}
	return nil
}

// duration decodes a google.protobuf.Duration. One beyond what a time.Duration has is the largest or smallest.
func duration(message []byte) (time.Duration, error) {
	var seconds, nanos int64
	for len(message) > 0 {
		t, _, rest, err := next(message)
		if err != nil {
			return 0, err
		}
		switch {
		case t.is(1, protowire.VarintType):
			seconds = int64(t.value)
		case t.is(2, protowire.VarintType):
			nanos = int64(int32(t.value))
		}
		message = rest
	}
	const most = int64(1<<63-1) / int64(time.Second)
	switch {
	case seconds >= most:
		return 1<<63 - 1, nil
	case seconds <= -most:
		return -1 << 63, nil
	}
	return time.Duration(seconds)*time.Second + time.Duration(nanos), nil
}
