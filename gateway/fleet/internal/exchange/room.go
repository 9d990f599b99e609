package exchange

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/share"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Bounds of the bodies of answers that wait until other nodes have answered too. Callers share them. An eighth is for
// administrators alone.
const (
	maxAnswerBytes = 64 << 20
	answerReserve  = maxAnswerBytes / 8
)

// PartyOf returns the party that a caller is where callers share.
func PartyOf(a event.Actor) share.Party {
	return share.Party{Key: IdentityOf(a), Reserve: a.Role == roleAdmin}
}

// room takes the memory of an answer's body until the inquiry ends. For an answer without room it returns one that says
// so. The caller holds mu.
func (i *inquiry) room(a Answer) Answer {
	if len(a.Body) == 0 {
		return a
	}
	hold, err := i.x.room.Take(i.caller, int64(len(a.Body)), nil)
	if err == nil {
		i.holds = append(i.holds, hold)
		return a
	}
	refusal := status.Errorf(codes.Internal, "it answered, but there is no room for its %d bytes beside the "+
		"answers that wait for other nodes: %v; what it was asked to change may be changed", len(a.Body), err)
	return Answer{Status: pb.NodeStatus_NODE_STATUS_ERROR, Err: refusal, Message: status.Convert(refusal).Message()}
}

// release gives back the memory of the answers.
func (i *inquiry) release() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, h := range i.holds {
		h.Release()
	}
}
