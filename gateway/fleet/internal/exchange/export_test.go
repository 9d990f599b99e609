package exchange

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// Bounds, for tests outside the package.
const (
	PartSize        = partSize
	MessageSize     = messageSize
	MaxMaking       = maxMaking
	MaxMakingBytes  = maxMakingBytes
	MaxAll          = maxAll
	MaxAllBytes     = maxAllBytes
	MaxRequests     = maxRequests - maxRequests/reserved // of callers that are no administrators, as below
	MaxNodeRequests = MaxRequests / 2                    // of one identity alone, as below
	MaxStreams      = maxStreams - maxStreams/reserved
	MaxNodeStreams  = MaxStreams / 2
	MaxNodeSeen     = maxNodeSeen
	MaxBytes        = maxBytes - maxBytes/reserved
	MaxNodeBytes    = MaxBytes / 2
	MostOwn         = mostOwn
	WindowItems     = windowItems
)

// ExchangeAnswers answers with functions.
type ExchangeAnswers struct {
	OnCall   func(ctx context.Context, from string, caller event.Actor, method string, body []byte) ([]byte, error)
	OnFollow func(ctx context.Context, from string, caller event.Actor, method string, body []byte,
		send func([]byte) error) error
}

func (a *ExchangeAnswers) Call(ctx context.Context, from string, caller event.Actor, method string,
	body []byte) ([]byte, error) {
	return a.OnCall(ctx, from, caller, method, body)
}

func (a *ExchangeAnswers) Follow(ctx context.Context, from string, caller event.Actor, method string, body []byte,
	send func([]byte) error) error {
	return a.OnFollow(ctx, from, caller, method, body, send)
}

// ExchangeRoster is a roster that a test writes.
type ExchangeRoster struct {
	member.Roster // for methods that the exchange does not use

	mu      sync.Mutex
	members map[string]member.Member
	news    chan struct{}
}

// Set adds a member, or replaces the one with its name.
func (r *ExchangeRoster) Set(m member.Member) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.members[m.Node] = m
	close(r.news)
	r.news = make(chan struct{})
}

// Forget takes a member out.
func (r *ExchangeRoster) Forget(node string) (member.Member, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.members[node]
	delete(r.members, node)
	close(r.news)
	r.news = make(chan struct{})
	return m, nil
}

// Find returns a member.
func (r *ExchangeRoster) Find(node string) (member.Member, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, ok := r.members[node]
	return m, ok
}

func (r *ExchangeRoster) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.news
}

// Testing is an exchange whose roster a test writes.
type Testing struct {
	*Exchange
	Roster *ExchangeRoster
	Self   event.Origin
	Began  time.Time
}

// NewTesting returns an exchange that began now.
func NewTesting(bus bus.Bus, self event.Origin, a *ExchangeAnswers, log hclog.Logger) *Testing {
	r := &ExchangeRoster{members: make(map[string]member.Member), news: make(chan struct{})}
	began := time.Now()
	x := New(Config{Bus: bus, Subjects: member.NewSubjects("test"), Self: self, Began: began, Roster: r, Answers: a,
		Logger: log})
	return &Testing{x, r, self, began}
}

// End returns the answer that ended a stream.
func End(err error) (Answer, bool) {
	end, ok := err.(*StreamEnd)
	if !ok {
		return Answer{}, false
	}
	return end.Answer, true
}

// Left returns how much an exchange still remembers of work that is over.
func (e *Exchange) Left() (open, under, making int) {
	e.mu.Lock()
	open = len(e.open)
	e.mu.Unlock()
	e.incoming.mu.Lock()
	under = len(e.incoming.under) + len(e.incoming.places.own)
	e.incoming.mu.Unlock()
	e.assembly.mu.Lock()
	defer e.assembly.mu.Unlock()
	for _, n := range e.assembly.nodes {
		making += len(n.all)
	}
	return open, under, making
}

// Making returns the incomplete messages of a node, counted anew, and the exchange's own counts.
func (e *Exchange) Making(node string) (messages, bytes, counted, all int) {
	e.assembly.mu.Lock()
	defer e.assembly.mu.Unlock()
	n := e.assembly.nodes[node]
	if n == nil {
		return 0, 0, 0, e.assembly.bytes
	}
	for _, m := range n.all {
		for _, c := range m.chunks {
			bytes += len(c)
		}
	}
	return len(n.all), bytes, n.bytes, e.assembly.bytes
}

// AddPart takes a part of a request.
func (e *Exchange) AddPart(from string, id [16]byte, part, parts int, chunk []byte) (message []byte, complete bool) {
	return e.assembly.add(from, id, kindRequest, uint32(part), uint32(parts), chunk)
}

// Seen returns how many requests are remembered.
func (e *Exchange) Seen() int {
	e.incoming.mu.Lock()
	defer e.incoming.mu.Unlock()
	return len(e.incoming.seen.keys)
}

// CarryOutAfter admits a request and carries it out after a delay of d.
func (e *Exchange) CarryOutAfter(d time.Duration, from string, r *fleetv1.Request) {
	f, _ := newFreshness(e.began, r.GetTargets()[0])
	w, _ := e.incoming.admit(workKey{from, newMessageID()}, r, f)
	time.Sleep(d)
	e.incoming.carryOut(w)
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
	e.heardAsk(e.subjects.Ask(from, e.self.Node), data)
}
func (e *Exchange) HearAnswer(from string, data []byte) {
	e.heardAnswer(e.subjects.Answer(from, e.self.Node), data)
}

// Member is Find for a member that the test has set.
func (r *ExchangeRoster) Member(node string) member.Member {
	m, _ := r.Find(node)
	return m
}
