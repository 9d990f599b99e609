package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/exchange"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/fleet/internal/room"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// legSilence is how long a node may send nothing on a stream before the leg reopens it. The node sends a heartbeat
	// every 5 s.
	legSilence = 15 * time.Second
	// legPause and legMaxPause are the first and the longest pause between the end of a leg's stream and its next opening.
	legPause, legMaxPause = 100 * time.Millisecond, 5 * time.Second
)

// leg follows another node for an event stream, through restarts and silence of that node, until the node has gone for
// good. It runs in a goroutine of its own, and the stream waits for its end. While its item is not taken, it takes
// nothing from its node.
type leg struct {
	stream   *eventStream
	member   member.Member // as it was seen last, even if it is no longer known
	told     event.Cursor  // how far the caller knows the node's events
	resume   bool          // the node is asked for events after told, not for all that it keeps
	snapshot bool          // the node is asked for its connections first
	late     bool          // its connections did not come with those of the other nodes
	ended    string        // the life whose log has ended and was delivered completely
	pause    time.Duration // pause before the next opening
	life     event.Origin  // the life that is followed
	came     bool          // an item came since the last opening
	room     *room.Room
	silent   bool              // the caller was told that the node's events do not come
	part     exchange.Patience // with its part of the snapshot, until it is late
}

// run follows the node until ctx ends, the node has gone, or the node refuses.
func (l *leg) run(ctx context.Context) {
	defer l.room.Drop()
	for l.await(ctx) && l.makeRoom(ctx) {
		began, life := time.Now(), l.member.Incarnation
		l.came = false
		err := l.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		var end *exchange.StreamEnd
		if errors.As(err, &end) {
			if refusal := refusedStream(end); refusal != nil {
				l.hand(ctx, item{err: refusal})
				return
			}
			if end.Status == pb.NodeStatus_NODE_STATUS_OK {
				l.ended = life
			}
		}
		l.stream.node.log.Debug("a node's events have stopped", "node", l.member.Node, "error", err)
		if l.room.Drop(); l.room.Wanted() > 0 {
			continue
		}
		if l.snapshot && !l.late && !l.miss(ctx) {
			return
		}
		if why := l.silence(err); why != "" && !l.tellSilence(ctx, why) {
			return
		}
		l.rest(ctx, time.Since(began))
	}
}

// silence says why the node's events do not come, or "" if that need not be told: they came until now, the roster tells
// of it, or it was told already.
func (l *leg) silence(err error) string {
	var claim *wire.ClaimError
	var end *exchange.StreamEnd
	switch {
	case errors.As(err, &claim):
		if l.silent {
			return ""
		}
		return "what the node sent is not used: " + err.Error()
	case l.came || l.silent:
		return ""
	case !errors.As(err, &end):
		return err.Error()
	}
	switch end.Status {
	case pb.NodeStatus_NODE_STATUS_OVERLOADED, pb.NodeStatus_NODE_STATUS_TIMED_OUT, pb.NodeStatus_NODE_STATUS_ERROR:
		return "the node does not serve the stream: " + statusName(end.Status) + ": " + end.Message
	}
	return ""
}

// tellSilence tells the caller that the node's events do not come, and why. It reports false if ctx has ended.
func (l *leg) tellSilence(ctx context.Context, why string) bool {
	l.silent = true
	gap := l.gap(&pb.GapDetails{Reason: pb.GapReason_GAP_REASON_NODE_SILENT, Message: event.ShortText(why)})
	gap.Sequence = 0
	if l.told.Incarnation == l.member.Incarnation {
		gap.Sequence = l.told.Sequence
	}
	// fails only for text that is not UTF-8, and there is none
	events, _ := proto.Marshal(&pb.StreamEventsResponse{Events: []*pb.Event{gap}})
	return l.stream.isLive(ctx) && l.hand(ctx, item{node: l.member.Node, events: events, count: 1})
}

// await waits until the node can be asked. It reports false if ctx has ended or the node has gone.
func (l *leg) await(ctx context.Context) bool {
	for {
		changed := l.stream.node.roster.Changed()
		known := l.look()
		switch {
		case known && l.member.Asked() && l.member.Incarnation != l.ended:
			return true
		case l.snapshot && !l.late:
			if !l.miss(ctx) {
				return false
			}
			continue
		case !known, l.member.State == pb.NodeState_NODE_STATE_LEFT:
			l.hand(ctx, l.farewell())
			return false
		}
		l.pause = 0
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// look reports whether the node is known, and keeps its newest state.
func (l *leg) look() bool {
	m, known := l.stream.node.roster.Find(l.member.Node)
	if known {
		l.member = m
	}
	return known
}

// miss reports that the node's part of the snapshot does not come with the others' parts, and waits until those are
// complete. It reports false if ctx has ended.
func (l *leg) miss(ctx context.Context) bool {
	l.late, l.silent = true, true // SNAPSHOT_COMPLETE names the node
	return l.hand(ctx, item{node: l.member.Node, missing: true}) && l.stream.isLive(ctx)
}

// isLive waits until no snapshot is under way. It reports false if ctx has ended.
func (s *eventStream) isLive(ctx context.Context) bool {
	select {
	case <-s.live:
		return true
	case <-ctx.Done():
		return false
	}
}

// follow opens a stream at the node and hands over its items until it ends. The error says why it ended.
func (l *leg) follow(ctx context.Context) error {
	body, err := l.stream.plan.other(l.after(), l.snapshot)
	if err != nil {
		return err
	}
	node := l.stream.node
	source := node.asker.Follow(ctx, l.member, exchange.Question{Method: pb.GatewayService_StreamEvents_FullMethodName,
		Body: body, Caller: l.stream.caller, Wait: l.stream.plan.wait, Room: l.room.Take})
	defer source.Close()
	l.life = l.member.Origin
	claims := wire.NewClaims(l.life)
	for {
		b, err := l.next(ctx, source)
		if err != nil {
			return err
		}
		it, err := l.read(claims, b)
		it.hold = l.room.Next()
		if err != nil {
			room.Free(it.hold)
			node.violated(l.life, err)
			return err
		}
		if !l.hand(ctx, it) {
			return ctx.Err()
		}
		l.came, l.silent = true, false
		if it.cursor.Node != "" {
			l.told, l.resume, l.snapshot = it.cursor, true, false
		}
		if it.complete && !l.stream.isLive(ctx) {
			return ctx.Err()
		}
	}
}

// after returns the cursor after which the node is asked to begin.
func (l *leg) after() string {
	switch {
	case l.snapshot:
		return ""
	case l.resume:
		return l.told.String()
	}
	return "0"
}

// next returns the next item of the node. It returns an error if the node is silent for legSilence, or if its part of
// the snapshot, which others wait for, comes too slowly.
func (l *leg) next(ctx context.Context, source exchange.Stream) ([]byte, error) {
	limit, began := legSilence, time.Now()
	if l.snapshot && !l.late {
		limit = l.part.Left()
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	b, err := source.Next(waiting)
	l.part.Spend(time.Since(began), len(b))
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, fmt.Errorf("node %s sent nothing for %s, or too little before that", l.member.Node, limit)
	}
	return b, err
}

// read reads an item of the node. The error is a *wire.ClaimError.
func (l *leg) read(claims *wire.Claims, b []byte) (item, error) {
	if err := claims.Check(responseOfEvents, b); err != nil {
		return item{}, err
	}
	it, err := decodeItem(l.member.Node, b, l.types())
	switch {
	case err != nil:
		return item{}, err
	case len(it.events) > contract.MaxResponse && it.count > 1:
		return item{}, wire.NewClaimError("it sent %d bytes of events; expected at most %d", len(it.events),
			contract.MaxResponse)
	case l.snapshot && (it.summaries == 1) != (it.cursor.Node != "") || it.summaries > 1:
		return item{}, wire.NewClaimError("it sent %d SNAPSHOT_COMPLETE with the position %q; expected one, with a "+
			"position, at the end", it.summaries, it.cursor.Node)
	case l.snapshot && !l.late:
		return it.ofSnapshot()
	case it.cursor.Node != "" && it.cursor.Origin != l.life && it.cursor != l.told: // it repeats the position that it got
		return item{}, wire.NewClaimError("it sent the position %s; expected one of its life %s", it.cursor,
			l.life.Incarnation)
	case it.cursor.Node == "" && !l.snapshot:
		return item{}, wire.NewClaimError("it sent events without a position")
	}
	return it, nil
}

// responseOfEvents describes the responses of a stream.
var responseOfEvents = (*pb.StreamEventsResponse)(nil).ProtoReflect().Descriptor()

// types are the types of events that the node may send now.
func (l *leg) types() event.Types {
	ofSnapshot := event.Types(0).With(event.Present).With(event.SnapshotComplete)
	if l.snapshot {
		return ofSnapshot
	}
	return wire.EventTypes(l.stream.plan.types).With(event.Gap) &^ ofSnapshot
}

// hand waits until an item is taken. Meanwhile it watches the node, so that the last known position is right if the
// node goes. It reports false if ctx has ended.
func (l *leg) hand(ctx context.Context, it item) bool {
	for {
		changed := l.stream.node.roster.Changed()
		l.look()
		select {
		case l.stream.items <- it:
			return true
		case <-changed:
		case <-ctx.Done():
			room.Free(it.hold)
			return false
		}
	}
}

// rest waits before the node is asked again. The pause grows while the node's streams do not last. It watches the node
// as hand does.
func (l *leg) rest(ctx context.Context, lasted time.Duration) {
	if lasted > legMaxPause {
		l.pause = 0
	}
	l.pause = min(max(2*l.pause, legPause), legMaxPause)
	timer := time.NewTimer(l.pause/2 + rand.N(l.pause/2))
	defer timer.Stop()
	for {
		changed := l.stream.node.roster.Changed()
		l.look()
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// farewell is the last item of a node that has gone. It tells which events are lost, if any.
func (l *leg) farewell() item {
	it := item{node: l.member.Node, gone: true, cursor: l.told}
	lost := l.lost()
	if len(lost) == 0 {
		return it
	}
	// fails only for text that is not UTF-8, and there is none
	it.events, _ = proto.Marshal(&pb.StreamEventsResponse{Events: lost})
	it.count = len(lost)
	it.cursor = event.Cursor{Origin: l.member.Origin, Sequence: l.member.Head}
	return it
}

// lost returns the GAPs for the events that the node is known to have had and the caller did not get. There are none if
// there are no such events. If the caller knows only an earlier life, the first GAP tells its end, as the node itself
// would.
func (l *leg) lost() []*pb.Event {
	head := l.member.Head
	switch {
	case l.ended == l.member.Incarnation:
		return nil
	case l.told.Incarnation == l.member.Incarnation && l.told.Sequence >= head:
		return nil
	case l.told.Incarnation == l.member.Incarnation:
		return []*pb.Event{l.gap(&pb.GapDetails{From: l.told.Sequence + 1, To: head,
			Reason: pb.GapReason_GAP_REASON_NODE_LOST})}
	}
	lost := []*pb.Event{l.gap(&pb.GapDetails{Reason: pb.GapReason_GAP_REASON_RESTARTED, RequestedCursor: l.told.String()})}
	if head > 0 {
		lost = append(lost, l.gap(&pb.GapDetails{From: 1, To: head, Reason: pb.GapReason_GAP_REASON_NODE_LOST}))
	}
	return lost
}

// gap returns a GAP in the name of the node, in its last known life.
func (l *leg) gap(d *pb.GapDetails) *pb.Event {
	return &pb.Event{Node: l.member.Node, Incarnation: l.member.Incarnation, Sequence: max(d.GetFrom(), 1) - 1,
		Time: timestamppb.New(time.Now()), Type: pb.EventType_EVENT_TYPE_GAP, Details: &pb.Event_Gap{Gap: d}}
}

// refusedStream returns the error of a stream that a node refuses for good because of its caller or of the request. For
// any other end it returns nil.
func refusedStream(end *exchange.StreamEnd) error {
	var code codes.Code
	switch end.Status {
	case pb.NodeStatus_NODE_STATUS_DENIED:
		code = codes.PermissionDenied
	case pb.NodeStatus_NODE_STATUS_UNSUPPORTED:
		code = codes.Unimplemented
	case pb.NodeStatus_NODE_STATUS_ERROR:
		code = status.Code(end.Err)
		if code != codes.InvalidArgument {
			return nil
		}
	default:
		return nil
	}
	if end.Err == nil {
		return &contract.Problem{Code: code, Reason: contract.ReasonNodeRefused,
			Metadata: map[string]string{"node": end.Node},
			Text:     fmt.Sprintf("node %s: %s; leave it out with scope.nodes, or have it changed", end.Node, end.Message)}
	}
	return ofNode(end.Node, code, status.Convert(end.Err))
}

// ofNode returns a node's answer as a status that names the node in its text and in its ErrorInfo.
func ofNode(node string, code codes.Code, answered *status.Status) error {
	return withNode(node, code, "node "+node+": "+answered.Message(), answered.Details())
}

// withNode returns a status whose ErrorInfo names the node that gave it, whatever the node says.
func withNode(node string, code codes.Code, text string, answered []any) error {
	var details []protoadapt.MessageV1
	for _, d := range answered {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			metadata := maps.Clone(d.GetMetadata())
			if metadata == nil {
				metadata = make(map[string]string)
			}
			metadata["node"] = node
			details = append(details, &errdetails.ErrorInfo{Reason: d.GetReason(), Domain: d.GetDomain(), Metadata: metadata})
		case protoadapt.MessageV1:
			details = append(details, d)
		}
	}
	s, err := status.New(code, text).WithDetails(details...)
	if err != nil { // a detail could not be encoded; the text still arrives
		return status.Error(code, text)
	}
	return s.Err()
}
