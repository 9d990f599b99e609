package exchange

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// leaveGrace is how long mutations under way may go on when the node leaves. It also holds for streams, which end by
// themselves once their last event was taken, because the node's log is closed then.
const leaveGrace = 2 * time.Second

// Reasons why work for another node ends early.
var (
	errNobodyWaits = errors.New("nobody waits for the answer any more")
	errSilent      = fmt.Errorf("nothing was said about the stream for %s by who follows it", streamSilence)
	errLeaving     = errors.New(leavingText)
)

// incoming carries out the requests of other nodes. Its methods may be called from any goroutine and, except end, do
// not block.
type incoming struct {
	x         *Exchange
	ended     context.Context // ends when the node leaves
	leave     context.CancelCauseFunc
	forced    context.Context // the same for mutations and streams, a little later
	force     context.CancelCauseFunc
	finishing sync.WaitGroup // goroutines that carry requests out

	mu       sync.Mutex
	under    map[workKey]*work // requests under way
	places   places
	seen     seen
	stopping bool
}

func (in *incoming) begin(x *Exchange) {
	in.x = x
	in.ended, in.leave = context.WithCancelCause(context.Background())
	in.forced, in.force = context.WithCancelCause(context.Background())
	in.under, in.places = make(map[workKey]*work), newPlaces(x.admin)
}

// end ends the requests under way, and waits for their end: reads end at once, mutations and streams after leaveGrace.
func (in *incoming) end() {
	in.mu.Lock()
	in.stopping = true
	in.mu.Unlock()
	in.leave(errLeaving)
	timer := time.AfterFunc(leaveGrace, func() { in.force(errLeaving) })
	in.finishing.Wait()
	timer.Stop()
	in.force(errLeaving)
}

// request begins to carry a request out, or refuses it.
func (in *incoming) request(from string, id messageID, message []byte) {
	r, err := readRequest(message)
	if err != nil {
		in.x.ignored.note(ignoredGarbage, from)
		return
	}
	t := targetNamed(r.GetTargets(), in.x.self.Node)
	if t == nil {
		return
	}
	r.Targets = nil // so that they are not kept while the request is under way
	if err := checkCaller(r.GetCaller()); err != nil {
		in.x.ignored.note(ignoredGarbage, from)
		in.x.reply(from, id, failure(err))
		return
	}
	f, fresh := newFreshness(in.x.began, t)
	refuse := func(s pb.NodeStatus, message string) {
		in.x.reply(from, id, &fleetv1.Reply{Status: s, Message: message})
	}
	switch {
	case t.GetIncarnation() != in.x.self.Incarnation:
		in.x.ignored.note(ignoredLife, from)
		refuse(pb.NodeStatus_NODE_STATUS_RESTARTED, fmt.Sprintf("it has restarted: incarnation %.32s was asked, and it is "+
			"%s now; nothing was done",
			t.GetIncarnation(), in.x.self.Incarnation))
		return
	case !fresh || f.stale():
		in.x.ignored.note(ignoredLate, from)
		refuse(pb.NodeStatus_NODE_STATUS_OVERLOADED, lateText)
		return
	}
	if w, refusal := in.admit(workKey{from, id}, r, f); w != nil {
		go in.carryOut(w)
	} else if refusal != "" {
		in.x.ignored.note(ignoredOverload, from)
		refuse(pb.NodeStatus_NODE_STATUS_OVERLOADED, refusal)
	}
}

// lateText is the refusal of a stale request.
const lateText = "the request came too late, or its turn did: nobody waits for it any more; nothing was done"

func targetNamed(targets []*fleetv1.Target, node string) *fleetv1.Target {
	for _, t := range targets {
		if t.GetNode() == node {
			return t
		}
	}
	return nil
}

// admit finds a place for a request, or refuses it. It does neither for a copy of a request that came before.
func (in *incoming) admit(key workKey, r *fleetv1.Request, f freshness) (w *work, refusal string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.stopping {
		return nil, leavingText + "; nothing was done"
	}
	// The request is remembered before it is refused: a second copy must not be carried out when the first was answered
	// with OVERLOADED.
	switch added, full := in.seen.add(key, f.due); {
	case full:
		return nil, "too many requests of this node came lately; nothing was done"
	case !added:
		in.x.ignored.note(ignoredDuplicate, key.from)
		return nil, ""
	}
	w = in.newWork(key, r, f)
	if refusal := in.places.take(w); refusal != "" {
		w.cancel(nil)
		return nil, refusal
	}
	in.under[key] = w
	in.finishing.Add(1)
	return w, ""
}

// newWork returns the work of a request. Mutations are carried out whole: only their deadline, and the node's end, can
// end them early.
func (in *incoming) newWork(key workKey, r *fleetv1.Request, f freshness) *work {
	w := &work{workKey: key, freshness: f, request: r, harmless: r.GetWindow() > 0 || harmless(r.GetMethod())}
	parent := in.forced
	if w.harmless && r.GetWindow() == 0 {
		parent = in.ended
	}
	w.ctx, w.cancel = context.WithCancelCause(parent)
	if r.GetWindow() > 0 {
		w.out = newOutgoing(in.x, w)
	}
	return w
}

// harmless reports whether a method changes nothing, so that it may be ended at any time.
func harmless(method string) bool {
	return method == MethodPing || contract.ReadOnly(method)
}

// carryOut carries a request out in its own goroutine, and answers.
func (in *incoming) carryOut(w *work) {
	defer in.finishing.Done()
	r := in.answer(w)
	// The place is free before the answer goes out, because the asker may send its next request at once.
	in.done(w)
	if r != nil {
		in.x.reply(w.from, w.id, r)
	}
}

// done gives the place of a request back.
func (in *incoming) done(w *work) {
	w.cancel(nil)
	in.mu.Lock()
	defer in.mu.Unlock()
	delete(in.under, w.workKey)
	in.places.leave(w)
}

// answer does the work. It returns nil if the asker waits no longer. A stop of the process may have delayed this, so it
// checks the request's age again.
func (in *incoming) answer(w *work) *fleetv1.Reply {
	if w.stale() {
		in.x.ignored.note(ignoredLate, w.from)
		return &fleetv1.Reply{Status: pb.NodeStatus_NODE_STATUS_OVERLOADED, Message: lateText}
	}
	if w.ctx.Err() != nil {
		return verdict(w, nil, w.ctx.Err())
	}
	r := w.request
	if w.out != nil {
		err := in.safely(w, func() error {
			return in.x.answers.Follow(w.ctx, w.from, actorOf(r.GetCaller()), r.GetMethod(), r.GetBody(), w.out.send)
		})
		reply := verdict(w, nil, err)
		if reply != nil {
			reply.Items = w.out.count()
		}
		return reply
	}
	ctx, cancel := context.WithDeadline(w.ctx, w.deadline())
	defer cancel()
	var body []byte
	err := in.safely(w, func() (err error) {
		body, err = in.x.answers.Call(ctx, w.from, actorOf(r.GetCaller()), r.GetMethod(), r.GetBody())
		return err
	})
	if code := statusOf(err).Code(); ctx.Err() != nil && w.ctx.Err() == nil && (code == codes.DeadlineExceeded ||
		code == codes.Canceled) {
		// The request did not fail: its asker stops waiting about now, and has to give its caller the same answer as without
		// a reply.
		return &fleetv1.Reply{Status: pb.NodeStatus_NODE_STATUS_TIMED_OUT,
			Message: "it did not come to an end in time; what it did is not known"}
	}
	return verdict(w, body, err)
}

// actorOf decodes the caller of a request.
func actorOf(c *fleetv1.Caller) event.Actor {
	return event.Actor{Identity: c.GetIdentity(), Proof: c.GetProof(), Role: c.GetRole(), Address: c.GetAddress(),
		RequestID: c.GetRequestId()}
}

// credit takes note that a stream is still followed, and how far it was taken.
func (in *incoming) credit(from string, id messageID, taken uint64) {
	if w := in.find(from, id); w != nil && w.out != nil {
		w.out.credit(taken)
	}
}

// cancel takes note that the asker waits no longer. Mutations are carried out all the same.
func (in *incoming) cancel(from string, id messageID) {
	if w := in.find(from, id); w != nil && w.harmless {
		w.cancel(errNobodyWaits)
	}
}

func (in *incoming) find(from string, id messageID) *work {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.under[workKey{from, id}]
}

// sweep forgets requests that would be refused as stale if they came again, and ends streams with a silent follower.
func (in *incoming) sweep() {
	in.mu.Lock()
	in.seen.forget(time.Since(in.x.began))
	var silent []*work
	for _, w := range in.under {
		if w.out != nil && w.out.silent() {
			silent = append(silent, w)
		}
	}
	in.mu.Unlock()
	for _, w := range silent {
		w.cancel(errSilent)
	}
}
