package attack

import (
	"context"
	"encoding/binary"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/frames"
)

// largestMessage is the largest message that a gateway takes.
const largestMessage = 4 << 20

// incomplete sends all but the end of large requests on as many streams as the gateway lets it. Less is by how much the
// messages are shorter than the largest: with 0 the last 50 bytes of each are missing.
func incomplete(conns, frame, less int) func(context.Context, *Target, string) {
	message := frames.Announce(largestMessage - less)
	message = append(message, 0x0a) // CountConnectionsRequest.filter
	message = binary.AppendUvarint(message, uint64(largestMessage-less-5))
	for len(message) < 5+largestMessage-50 {
		message = append(message, 'x')
	}
	return func(ctx context.Context, t *Target, token string) {
		call := frames.Call{Path: service + "CountConnections", Token: token}
		t.conns(ctx, conns, func(ctx context.Context, c *frames.Conn) error {
			return (&feed{c: c, call: call, message: message, frame: frame, streams: t.Streams, tally: t.tally}).run(ctx)
		})
	}
}

// feed sends one message on many streams at once, a frame to each in turn.
type feed struct {
	c       *frames.Conn
	call    frames.Call
	message []byte
	frame   int
	streams int
	tally   *Tally

	fed map[uint32]int // bytes sent on each stream
}

func (f *feed) run(ctx context.Context) error {
	f.fed = make(map[uint32]int)
	for version := uint64(0); ctx.Err() == nil; {
		for len(f.fed) < f.streams {
			id, err := f.c.Begin(f.call)
			if err != nil {
				return err
			}
			f.fed[id] = 0
		}
		moved, err := f.round()
		if err != nil {
			return err
		}
		if !moved {
			version = f.c.Changed(version)
			rest(ctx, pause/4)
		}
		if err := f.c.Dead(); err != nil {
			return err
		}
	}
	return nil
}

// round gives a frame to each stream that takes one, and forgets the streams that the gateway has ended.
func (f *feed) round() (moved bool, err error) {
	for id, fed := range f.fed {
		n, err := f.c.Data(id, f.message[fed:], f.frame)
		if err != nil {
			return moved, err
		}
		if n < 0 {
			delete(f.fed, id)
			continue
		}
		f.fed[id] += n
		moved = moved || n > 0
		f.tally.Add("bytes", int64(n))
	}
	return moved, f.c.Flush()
}
