package fleet

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The bounds, for tests outside of the package.
const (
	PartSize        = partSize
	MessageSize     = messageSize
	MaxMaking       = maxMaking
	MaxMakingBytes  = maxMakingBytes
	MaxAll          = maxAll
	MaxAllBytes     = maxAllBytes
	MaxRequests     = maxRequests
	MaxNodeRequests = maxNodeRequests
	MaxStreams      = maxStreams
	MaxNodeStreams  = maxNodeStreams
	MaxNodeSeen     = maxNodeSeen
	MaxNodeBytes    = maxNodeBytes
	MaxBytes        = maxBytes
	WindowItems     = windowItems
	MethodPing      = methodPing
)

// ExchangeAnswers answers with functions.
type ExchangeAnswers struct {
	Call   func(ctx context.Context, from string, caller event.Actor, method string, body []byte) ([]byte, error)
	Follow func(ctx context.Context, from string, caller event.Actor, method string, body []byte, send func([]byte) error) error
}

func (a *ExchangeAnswers) call(ctx context.Context, from string, caller event.Actor, method string, body []byte) ([]byte, error) {
	return a.Call(ctx, from, caller, method, body)
}

func (a *ExchangeAnswers) follow(ctx context.Context, from string, caller event.Actor, method string, body []byte, send func([]byte) error) error {
	return a.Follow(ctx, from, caller, method, body, send)
}

// ExchangeRoster is a roster that a test writes.
type ExchangeRoster struct {
	roster // what the exchange does not use

	mu      sync.Mutex
	members map[string]Member
	news    chan struct{}
}

// Set puts a member in, in place of the one of its name.
func (r *ExchangeRoster) Set(m Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[m.Node] = m
	close(r.news)
	r.news = make(chan struct{})
}

// Forget takes a member out.
func (r *ExchangeRoster) Forget(node string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.members, node)
	close(r.news)
	r.news = make(chan struct{})
}

// Find returns a member.
func (r *ExchangeRoster) Find(node string) Member {
	m, _ := r.find(node)
	return m
}

func (r *ExchangeRoster) find(node string) (Member, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.members[node]
	return m, ok
}

func (r *ExchangeRoster) changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.news
}

// Exchange is an exchange, and its fakes.
type Exchange struct {
	Roster *ExchangeRoster
	Self   event.Origin
	Began  time.Time
	x      *exchange
}

// NewExchange returns an exchange that began now.
func NewExchange(bus Bus, self event.Origin, a *ExchangeAnswers, log hclog.Logger) *Exchange {
	r := &ExchangeRoster{members: make(map[string]Member), news: make(chan struct{})}
	e := &Exchange{Roster: r, Self: self, Began: time.Now()}
	e.x = &exchange{bus: bus, subjects: newSubjects("test"), self: self, began: e.Began, roster: r, answers: a, log: log}
	return e
}

// Question is a question.
type Question struct {
	Method string
	Body   []byte
	Caller event.Actor
	Wait   time.Duration
}

func (q Question) question() question {
	return question{method: q.Method, body: q.Body, caller: q.Caller, wait: q.Wait}
}

// Answer is an answer.
type Answer struct {
	Node    string
	Status  pb.NodeStatus
	Body    []byte
	Err     error
	Message string
	Elapsed time.Duration
}

func (a answer) exported() Answer {
	return Answer{a.node, a.status, a.body, a.err, a.message, a.elapsed}
}

func (e *Exchange) Start() error { return e.x.start() }
func (e *Exchange) Stop()        { e.x.stop() }

// Ask asks.
func (e *Exchange) Ask(ctx context.Context, to []Member, q Question) []Answer {
	var all []Answer
	for _, a := range e.x.ask(ctx, to, q.question()) {
		all = append(all, a.exported())
	}
	return all
}

// Stream is a stream.
type Stream struct{ s stream }

// Follow follows.
func (e *Exchange) Follow(ctx context.Context, to Member, q Question) Stream {
	return Stream{e.x.follow(ctx, to, q.question())}
}

func (s Stream) Next(ctx context.Context) ([]byte, error) { return s.s.next(ctx) }
func (s Stream) Close()                                   { s.s.close() }

// End returns what a stream's end says.
func End(err error) (Answer, bool) {
	end, ok := err.(*streamEnd)
	if !ok {
		return Answer{}, false
	}
	return end.exported(), true
}

// Left returns what an exchange still remembers of what is over.
func (e *Exchange) Left() (open, under, making int) {
	e.x.mu.Lock()
	open = len(e.x.open)
	e.x.mu.Unlock()
	e.x.incoming.mu.Lock()
	under = len(e.x.incoming.under) + len(e.x.incoming.nodes)
	e.x.incoming.mu.Unlock()
	e.x.assembly.mu.Lock()
	defer e.x.assembly.mu.Unlock()
	for _, n := range e.x.assembly.nodes {
		making += len(n.all)
	}
	return open, under, making
}

// Making returns what is in the making of a node, counted anew, and what the counts say.
func (e *Exchange) Making(node string) (messages, bytes, counted, all int) {
	e.x.assembly.mu.Lock()
	defer e.x.assembly.mu.Unlock()
	n := e.x.assembly.nodes[node]
	if n == nil {
		return 0, 0, 0, e.x.assembly.bytes
	}
	for _, m := range n.all {
		for _, c := range m.chunks {
			bytes += len(c)
		}
	}
	return len(n.all), bytes, n.bytes, e.x.assembly.bytes
}

// AddPart takes a part of a request.
func (e *Exchange) AddPart(from string, id [16]byte, part, parts int, chunk []byte) (message []byte, complete bool) {
	return e.x.assembly.add(from, id, kindRequest, uint32(part), uint32(parts), chunk)
}

// Seen returns how many requests are remembered.
func (e *Exchange) Seen() int {
	e.x.incoming.mu.Lock()
	defer e.x.incoming.mu.Unlock()
	return len(e.x.incoming.seen.keys)
}

// CarryOutAfter admits a request and carries it out when its turn comes, so much later.
func (e *Exchange) CarryOutAfter(d time.Duration, from string, r *fleetv1.Request) {
	f, _ := newFreshness(e.x.began, r.GetTargets()[0])
	w, _ := e.x.incoming.admit(workKey{from, newMessageID()}, r, f)
	time.Sleep(d)
	e.x.incoming.carryOut(w)
}

// Envelopes returns the encoded envelopes of a request or a reply.
func Envelopes(id [16]byte, reply bool, message []byte) []*fleetv1.Envelope {
	k := kindRequest
	if reply {
		k = kindReply
	}
	var all []*fleetv1.Envelope
	for e := range envelopes(id, k, message) {
		all = append(all, e)
	}
	return all
}

// HearAsk and HearAnswer deliver a message of the bus.
func (e *Exchange) HearAsk(from string, data []byte) {
	e.x.heardAsk(e.x.subjects.ask(from, e.Self.Node), data)
}
func (e *Exchange) HearAnswer(from string, data []byte) {
	e.x.heardAnswer(e.x.subjects.answer(from, e.Self.Node), data)
}
