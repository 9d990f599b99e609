package fleet

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/internal/contract"
)

// errStreamGaveWay ends a call whose events were not read while others needed their memory.
var errStreamGaveWay = &contract.Problem{Code: codes.ResourceExhausted, Reason: contract.ReasonTooManyStreams,
	Text: "this event stream was ended to make room: its caller does not read it, and holds more than its share of the " +
		"memory for streams of the fleet; go on after the last cursor, read faster, or follow less"}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// roomPatience is how long a leg waits for room before the caller is told.
const roomPatience = 5 * time.Second

// makeRoom waits for room if the leg's last stream ended for want of it. It reports false if ctx has ended.
func (l *leg) makeRoom(ctx context.Context) bool {
	for l.room.Wanted() > 0 {
		waiting, cancel := context.WithTimeout(ctx, roomPatience)
		err := l.room.Await(waiting)
		cancel()
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil:
			return false
		case !l.silent && !l.tellSilence(ctx, l.room.Full()):
			return false
		}
	}
	return true
}
