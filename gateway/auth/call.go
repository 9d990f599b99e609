package auth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/mem"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/share"
)

const (
	// callBytes is what a call holds however small it is: its goroutine, stream and headers, and its status.
	callBytes = 24 << 10
	// windowBytes is what gRPC accepts of a call's message before the call has room for it: HTTP/2's first window.
	windowBytes = 64 << 10
	// answerBytes is what gRPC holds for an answer beside its bytes.
	answerBytes = 512
	// callTime is what a call costs in goroutines other than the one that reads its connection: its own, and the one that
	// writes. It is an estimate.
	callTime = 50 * time.Microsecond
	// roomTimeout is how long a call waits for room in its caller's share.
	roomTimeout = 10 * time.Second
	// arrivalTimeout is how long a message may take to arrive once there is room for it, and streamTimeout how long a
	// client of a stream may wait before its next one. The connection is closed then.
	arrivalTimeout, streamTimeout = 30 * time.Second, 5 * time.Minute
)

// Call is what one call holds of the memory for calls, in the share of its caller. It is for use by the call's own
// goroutine. With a nil *Call, of a call that did not come by a connection, nothing is held.
type Call struct {
	hold  *share.Hold
	conn  *boundedConn
	guard *Guard
	of    *Caller
	last  *share.Hold // of its last answer; nil: it has not answered
	spare int64       // of hold, for an answer
	stop  func() bool // keeps the end of the call's context from releasing what it holds
}

// BudgetError says that a call has no room in the memory for calls. It is RESOURCE_EXHAUSTED.
type BudgetError struct {
	identity string
	full     bool // the memory is used up, and the caller's share is not
}

// Error says whose share is used up and what to do.
func (e *BudgetError) Error() string {
	if e.full {
		return "callers hold all of the memory for calls; try again in a moment"
	}
	return fmt.Sprintf("the calls of %.200q hold their share of the memory for calls; complete the requests and read the "+
		"answers that are under way, or make fewer calls at once", e.identity)
}

type callKey struct{}

// CallOf returns what a call holds, or nil if it did not come by a connection of the control plane.
func CallOf(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// begin takes the memory of a call of a connection, until the call's context ends or the call's goroutine, which has
// taken over with Own, releases it.
func (g *Guard) begin(ctx context.Context, conn *boundedConn, of *Caller) (context.Context, error) {
	c := &Call{conn: conn, guard: g, of: of}
	hold, err := g.memory.Take(partyOf(of), callBytes+windowBytes, c.giveWay)
	if err != nil {
		return ctx, c.refused(err)
	}
	c.hold = hold
	conn.count(1)
	conn.work.Charge(callTime)
	c.stop = context.AfterFunc(ctx, c.release)
	return context.WithValue(ctx, callKey{}, c), nil
}

// Own makes the call hold its memory until end, also when its context ends before. A client whose thousand calls end at
// once thus wakes no other thousand goroutines for them. It reports false if the context has ended already: the call
// then holds nothing, and its goroutine must not wait.
func (c *Call) Own(ctx context.Context) (end func(), ok bool) {
	switch {
	case c == nil:
		return func() {}, true
	case !c.stop():
		return nil, false
	}
	return func() { c.end(ctx) }, true
}

// end releases the memory of a call whose client has gone. Otherwise the call holds it until the client was sent the
// status: until then gRPC keeps the stream with its headers.
func (c *Call) end(ctx context.Context) {
	if ctx.Err() != nil {
		c.release()
		return
	}
	c.conn.count(-1)
	c.hold.Resize(callBytes)
	c.hold.Wait(true)
	c.conn.debts.end(c.hold, c.last)
}

func (c *Call) release() {
	c.conn.count(-1)
	c.hold.Release()
}

// partyOf returns the holder that a caller's calls count for. Callers without a grant are one holder together.
func partyOf(c *Caller) share.Party { return share.Party{Key: usageKey(c), Reserve: isAdmin(c)} }

// PartyOf returns the holder that a call counts for, where callers share an amount.
func PartyOf(ctx context.Context) share.Party {
	c := CallerOf(ctx)
	return partyOf(&c)
}

// giveWay closes the connection, because others need what the call holds. It does not block.
func (c *Call) giveWay() {
	c.cut("closed a client's connection to make room", contract.ReasonOverBudget)
}

// expire closes the connection, because a message has not arrived in time. It does not block.
func (c *Call) expire() {
	c.cut("closed a client's connection: its request did not arrive in time",
		contract.ReasonDeadline)
}

func (c *Call) cut(message, reason string) {
	c.guard.Denials.note(message, reason, "", c.of)
	_ = c.conn.Close() // its calls end with it
}

func (c *Call) refused(err error) error {
	return &BudgetError{identity: c.of.Identity, full: errors.Is(err, share.ErrFull)}
}

// await makes the hold larger by n, once there is room. The error is a *BudgetError.
func (c *Call) await(ctx context.Context, n int64) error {
	if err := c.hold.Await(ctx, n); err != nil {
		return c.refused(err)
	}
	return nil
}

// awaitBriefly is await for at most roomTimeout.
func (c *Call) awaitBriefly(ctx context.Context, n int64) error {
	if c.hold.Grow(n) == nil {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, roomTimeout)
	defer cancel()
	return c.await(within, n)
}

// Receive waits until there is room for a message of at most most bytes, and calls receive for it, which returns what
// the message takes. A client that does not send the rest of a message in time loses its connection. The error is
// receive's or a *BudgetError.
func (c *Call) Receive(ctx context.Context, most int64, stream bool, receive func() (int64, error)) error {
	if c == nil {
		_, err := receive()
		return err
	}
	if err := c.awaitBriefly(ctx, most); err != nil {
		return err
	}
	patience := arrivalTimeout
	if stream {
		patience = streamTimeout
	}
	late := time.AfterFunc(patience, c.expire)
	defer late.Stop()
	c.hold.Wait(true)
	n, err := receive()
	c.hold.Wait(false)
	c.hold.Resize(callBytes + n)
	return err
}

// Prepare waits until there is room for an answer of at most n bytes. The error is a *BudgetError.
func (c *Call) Prepare(ctx context.Context, n int64) error {
	if c == nil {
		return nil
	}
	if err := c.awaitBriefly(ctx, n); err != nil {
		return err
	}
	c.spare += n
	return nil
}

// Room makes room for n bytes of answers, if there is room at once.
func (c *Call) Room(n int64) bool {
	if c == nil {
		return true
	}
	if n > c.spare {
		if c.hold.Grow(n-c.spare) != nil {
			return false
		}
		c.spare = n
	}
	return true
}

// Reserve waits for room for n bytes of answers, for as long as ctx lasts. The error is a *BudgetError.
func (c *Call) Reserve(ctx context.Context, n int64) error {
	if c == nil || n <= c.spare {
		return nil
	}
	if err := c.await(ctx, n-c.spare); err != nil {
		return err
	}
	c.spare = n
	return nil
}

// Return gives back the room that no answer has taken.
func (c *Call) Return() {
	if c != nil && c.spare > 0 {
		c.hold.Split(c.spare, nil).Release()
		c.spare = 0
	}
}

// Owe waits until there is room for a message, and returns it as a buffer that counts as held until gRPC has written it
// to the client. It takes over the caller's reference to b. A stream waits for as long as ctx lasts. The error is a
// *BudgetError.
func (c *Call) Owe(ctx context.Context, b mem.Buffer) (mem.Buffer, error) {
	if c == nil {
		return b, nil
	}
	n := int64(b.Len()) + answerBytes
	if n > c.spare {
		if err := c.await(ctx, n-c.spare); err != nil {
			b.Free()
			return nil, err
		}
		c.spare = n
	}
	c.spare -= n
	part := c.hold.Split(n, c.giveWay)
	part.Wait(true)
	c.last = part
	c.conn.debts.owe(part)
	return newOwed(b, func() { c.conn.debts.pay(part) }), nil
}

// owed is a buffer that reports when its last reference is freed.
type owed struct {
	mem.Buffer
	refs atomic.Int32
	paid func()
}

func newOwed(b mem.Buffer, paid func()) *owed {
	o := &owed{Buffer: b, paid: paid}
	o.refs.Store(1)
	return o
}

// Ref adds a reference.
func (o *owed) Ref() { o.refs.Add(1) }

// Free gives up a reference.
func (o *owed) Free() {
	if o.refs.Add(-1) == 0 {
		o.Buffer.Free()
		o.paid()
	}
}

// Cut closes the call's connection, because its client takes no delivery of a lane. It does not block.
func (c *Call) Cut() {
	if c != nil {
		c.cut("closed a client's connection: it took no delivery of a lane", contract.ReasonDeadline)
	}
}

// ConnectionAge returns how old the call's connection is.
func (c *Call) ConnectionAge() time.Duration {
	if c == nil {
		return 0
	}
	return time.Since(c.conn.since)
}

// Carry notes that the call carries traffic of the data plane, until end: the bytes of its connection are not handled
// in turns meanwhile, as the bytes of sockets are not.
func (c *Call) Carry() (end func()) {
	if c == nil {
		return func() {}
	}
	c.conn.lanes.Add(1)
	return func() { c.conn.lanes.Add(-1) }
}
