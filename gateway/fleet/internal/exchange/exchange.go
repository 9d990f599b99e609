package exchange

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/internal/share"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// Answers answers the requests of other nodes. The exchange calls it only for requests to this life of this node, while
// the asking node still waits. Its methods are called from many goroutines at once.
type Answers interface {
	// Call answers a request of another node. The error is a gRPC status.
	Call(ctx context.Context, from string, caller event.Actor, method string, body []byte) ([]byte, error)
	// Follow answers a request for a stream. It passes each item to send, which may block and does not keep its argument.
	// An error of send ends the stream.
	Follow(ctx context.Context, from string, caller event.Actor, method string, body []byte, send func([]byte) error) error
}

// Config configures an exchange. All fields are required.
type Config struct {
	Bus      bus.Bus         // its owner closes it, after Stop
	Subjects member.Subjects // of the fleet
	Self     event.Origin    // this node and its life
	Began    time.Time       // the zero of this node's clock: the stamps of its heartbeats count from it
	Roster   member.Roster   // decides which nodes can answer
	Answers  Answers         // answers the requests of other nodes
	Logger   hclog.Logger    // gets ignored messages and panics
	// Admin reports whether a node may forward calls of administrators. Not required; nil: each node may.
	Admin func(from, role string) bool
}

// New returns an exchange that neither asks nor answers before Start.
func New(c Config) *Exchange {
	return &Exchange{bus: c.Bus, subjects: c.Subjects, self: c.Self, began: c.Began, roster: c.Roster, answers: c.Answers,
		log: c.Logger, admin: c.Admin, room: share.New(maxAnswerBytes, answerReserve)}
}

// Exchange asks other nodes and answers them. Its fields up to room never change.
//
//	ask, follow → open → bus ⋯ bus → heardAsk → incoming → answers ⋯ bus → heardAnswer → open
//
// It has these goroutines: one that keeps house and that Stop waits for; one for each request that is carried out,
// which incoming owns; those of the bus; and those of the callers of Ask and Next. The functions that the bus's
// goroutines call do not block.
//
// Lock order: docs/locks.md.
type Exchange struct {
	bus      bus.Bus
	subjects member.Subjects
	self     event.Origin
	began    time.Time
	roster   member.Roster
	answers  Answers
	log      hclog.Logger
	admin    func(from, role string) bool
	room     *share.Pool // of answers

	ignored  ignored
	assembly assembly
	incoming incoming

	quit    chan struct{} // closed by Stop
	keeper  sync.WaitGroup
	stopped sync.Once
	asking  sync.WaitGroup // calls of Ask under way

	mu          sync.Mutex
	phase       phase
	open        map[messageID]addressee // the addressees that wait for answers
	unsubscribe []func()
}

// phase is the stage of the exchange's life.
type phase uint8

const (
	phaseNew phase = iota
	phaseOpen
	phaseClosed
)

// addressee waits for answers. Its methods do not block.
type addressee interface {
	// awaits reports whether it waits for an answer of this node.
	awaits(node string) bool
	// reply takes the last answer of a node.
	reply(node string, r *fleetv1.Reply)
	// item takes an item of a stream.
	item(node string, i *fleetv1.Item)
	// abandon ends the waiting, because this node leaves.
	abandon()
}

// Start begins to answer other nodes. The error is the bus's. It must be called once; Stop may be called meanwhile.
func (x *Exchange) Start() error {
	if !x.begin() {
		return errors.New(leavingText)
	}
	for _, s := range []struct {
		subject string
		deliver func(subject string, data []byte)
	}{
		{x.subjects.Ask("*", x.self.Node), x.heardAsk},
		{x.subjects.Ask("*", member.Everybody), x.heardAsk},
		{x.subjects.Answer("*", x.self.Node), x.heardAnswer},
	} {
		unsubscribe, err := x.bus.Subscribe(s.subject, s.deliver)
		if err != nil {
			x.Stop()
			return fmt.Errorf("subscribing to %s: %w", s.subject, err)
		}
		if !x.keep(unsubscribe) {
			unsubscribe()
			return errors.New(leavingText)
		}
	}
	return nil
}

// begin makes the exchange ready for messages, unless it was stopped.
func (x *Exchange) begin() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.phase != phaseNew {
		return false
	}
	x.phase, x.open, x.quit = phaseOpen, make(map[messageID]addressee), make(chan struct{})
	x.assembly.ignored = &x.ignored
	x.incoming.begin(x)
	x.keeper.Go(x.keepHouse)
	return true
}

// keep keeps the function that ends a subscription for Stop. It reports false if Stop was called already.
func (x *Exchange) keep(unsubscribe func()) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.unsubscribe = append(x.unsubscribe, unsubscribe)
	return x.phase == phaseOpen
}

// Stop ends all work under way, for this node and for others, and waits for its end. A follower still has to close its
// stream. Stop may be called more than once, and without Start.
func (x *Exchange) Stop() { x.stopped.Do(x.end) }

func (x *Exchange) end() {
	x.mu.Lock()
	began := x.phase == phaseOpen
	x.phase = phaseClosed
	open, unsubscribe := slices.Collect(maps.Values(x.open)), x.unsubscribe
	x.mu.Unlock()
	if !began {
		return
	}
	for _, u := range unsubscribe {
		u()
	}
	for _, a := range open {
		a.abandon()
	}
	x.incoming.end()
	x.asking.Wait()
	close(x.quit)
	x.keeper.Wait()
}

// enter lets in the answers to an addressee until leave. The problem says why no node can be asked.
func (x *Exchange) enter(id messageID, a addressee) (problem string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.admit(id, a)
}

// admit does the same as enter. The caller holds mu.
func (x *Exchange) admit(id messageID, a addressee) (problem string) {
	switch x.phase {
	case phaseNew:
		return "this node has not joined the fleet yet"
	case phaseClosed:
		return leavingText
	}
	x.open[id] = a
	return ""
}

func (x *Exchange) leave(id messageID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.open, id)
}

func (x *Exchange) addressee(id messageID) addressee {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.open[id]
}

// leavingText is the message of work that ends because this node leaves.
const leavingText = "this node is leaving the fleet, or has left it"

// heardAsk takes a request, a credit or a cancel of another node.
func (x *Exchange) heardAsk(subject string, data []byte) {
	from, e, id := x.unwrap(subject, data)
	if e == nil {
		return
	}
	switch b := e.GetBody().(type) {
	case *fleetv1.Envelope_Request:
		if message, ok := x.assembly.add(from, id, kindRequest, e.GetPart(), e.GetParts(), b.Request); ok {
			x.incoming.request(from, id, message)
		}
	case *fleetv1.Envelope_Credit:
		x.incoming.credit(from, id, b.Credit.GetTaken())
	case *fleetv1.Envelope_Cancel:
		x.incoming.cancel(from, id)
	case nil: // a message of a newer version
	default:
		x.ignored.note(ignoredGarbage, from)
	}
}

// heardAnswer takes an answer of another node. It drops an answer that no addressee waits for before it is assembled,
// and does not count it: a late answer is no fault.
func (x *Exchange) heardAnswer(subject string, data []byte) {
	from, e, id := x.unwrap(subject, data)
	if e == nil {
		return
	}
	to := x.addressee(id)
	if to == nil || !to.awaits(from) {
		return
	}
	switch b := e.GetBody().(type) {
	case *fleetv1.Envelope_Reply:
		if r := new(fleetv1.Reply); x.complete(from, id, kindReply, e, b.Reply, r) {
			to.reply(from, r)
		}
	case *fleetv1.Envelope_Item:
		if i := new(fleetv1.Item); x.complete(from, id, kindItem, e, b.Item, i) {
			to.item(from, i)
		}
	case nil: // a message of a newer version
	default:
		x.ignored.note(ignoredGarbage, from)
	}
}

// unwrap returns an envelope and its sender. The envelope is nil if data is not one, or is this node's own.
func (x *Exchange) unwrap(subject string, data []byte) (from string, e *fleetv1.Envelope, id messageID) {
	from, err := x.subjects.From(subject)
	if err != nil {
		x.ignored.note(ignoredGarbage, "nobody")
		return "", nil, id
	}
	if from == x.self.Node {
		return "", nil, id
	}
	e, id, err = unseal(data)
	if err != nil {
		x.ignored.note(ignoredGarbage, from)
		return "", nil, id
	}
	return from, e, id
}

// complete takes a part and decodes the message once it is complete.
func (x *Exchange) complete(from string, id messageID, k kind, e *fleetv1.Envelope, chunk []byte,
	into proto.Message) bool {
	message, ok := x.assembly.add(from, id, k, e.GetPart(), e.GetParts(), chunk)
	if !ok {
		return false
	}
	if err := proto.Unmarshal(message, into); err != nil {
		x.ignored.note(ignoredGarbage, from)
		return false
	}
	return true
}

// housePeriod is the period of keepHouse.
const housePeriod = time.Second

// keepHouse gives up old messages and silent streams, tells nodes that their streams are still followed, and writes the
// log.
func (x *Exchange) keepHouse() {
	ticker := time.NewTicker(housePeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-x.quit:
			x.ignored.tell(x.log)
			return
		}
		x.assembly.expire()
		x.incoming.sweep()
		x.keepFollowing()
		x.ignored.tell(x.log)
	}
}
