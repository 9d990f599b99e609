package exchange

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/share"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
)

// Bounds of concurrent work for other nodes, shared by the identities of its callers (see share). No request waits for
// a place: a request beyond its share is refused at once. An eighth of each is for administrators alone.
const (
	maxRequests = 256
	maxStreams  = 1000
	maxBytes    = 128 << 20 // bodies of requests
	reserved    = 8         // one part in so many is the reserve
)

// mostOwn is the most identities of one asking node that have a share of their own at the same time. Further ones
// divide as many shares between them, so that a node that invents callers takes no more than 2 × mostOwn shares.
const mostOwn = 16

// errGaveWay is the cause of a stream's or a read's end whose place was needed.
var errGaveWay = errors.New("it gave way: its identity had more than its share when another one came")

// places are the places of the requests under way. incoming.mu guards them, except that holds are released without it.
type places struct {
	requests, streams, bytes *share.Pool
	own                      map[string]map[string]int // requests by identity with a share of its own, by asking node
	// admin reports whether a caller may take the reserve.
	admin func(from string, caller *fleetv1.Caller) bool
}

func newPlaces(admin func(from, role string) bool) places {
	pool := func(total int64) *share.Pool { return share.New(total, total/reserved) }
	return places{requests: pool(maxRequests), streams: pool(maxStreams), bytes: pool(maxBytes),
		own: make(map[string]map[string]int),
		admin: func(from string, c *fleetv1.Caller) bool {
			return c.GetRole() == roleAdmin && (admin == nil || admin(from, c.GetRole()))
		}}
}

// roleAdmin is the role of administrators in a request and in an Actor.
const roleAdmin = "ADMIN"

// place is the place of one request.
type place struct {
	identity string // its share's; empty: it has none of its own
	holds    []*share.Hold
}

// take gives a request a place. The refusal says which share is used up. What gives way later is told by w.cancel.
func (p *places) take(w *work) (refusal string) {
	caller := w.request.GetCaller()
	name := IdentityOf(actorOf(caller))
	party := share.Party{Key: w.from + " " + p.enter(w, name), Reserve: p.admin(w.from, caller)}
	pool, what := p.requests, "requests"
	if w.out != nil {
		pool, what = p.streams, "streams"
	}
	var revoke func()
	if w.harmless {
		revoke = func() { w.cancel(errGaveWay) }
	}
	if refusal = w.place.hold(pool, party, 1, revoke, what, name); refusal == "" {
		refusal = w.place.hold(p.bytes, party, int64(len(w.request.GetBody())), nil, "bytes of requests", name)
	}
	if refusal != "" {
		p.leave(w)
	}
	return refusal
}

// hold takes a part of a pool for a place.
func (p *place) hold(pool *share.Pool, party share.Party, n int64, revoke func(), what, name string) (refusal string) {
	h, err := pool.Take(party, n, revoke)
	if err == nil {
		p.holds = append(p.holds, h)
		return ""
	}
	u := pool.Usage(0)
	held := fmt.Sprintf("%d of %d %s of other nodes are under way, %d of them for administrators alone", u.Held, u.Total,
		what, u.Reserve)
	if errors.Is(err, share.ErrShare) {
		return fmt.Sprintf("the share of %.100q is used up: %s; wait until some have ended; nothing was done", name, held)
	}
	return held + "; wait until some have ended; nothing was done"
}

// enter returns the key of an identity's share, and counts the request for it. The caller calls leave.
func (p *places) enter(w *work, identity string) (key string) {
	of := p.own[w.from]
	if of == nil {
		of = make(map[string]int)
		p.own[w.from] = of
	}
	if of[identity] == 0 && len(of) >= mostOwn {
		h := fnv.New32a()
		_, _ = h.Write([]byte(identity)) // never fails
		return fmt.Sprint(h.Sum32() % mostOwn)
	}
	of[identity]++
	w.place.identity = identity
	return identity
}

// leave gives the place of a request back.
func (p *places) leave(w *work) {
	for _, h := range w.place.holds {
		h.Release()
	}
	of := p.own[w.from]
	if w.place.identity != "" {
		if of[w.place.identity]--; of[w.place.identity] == 0 {
			delete(of, w.place.identity)
		}
	}
	if len(of) == 0 {
		delete(p.own, w.from)
	}
}

// IdentityOf returns the name under which a caller has its shares. Callers without a proof have one together if they
// come from the same IP address, on any port.
func IdentityOf(a event.Actor) string {
	if a.Proof != "" && a.Proof != "none" {
		return a.Proof + " " + a.Identity
	}
	if at, err := netip.ParseAddrPort(a.Address); err == nil {
		return "none " + at.Addr().String()
	}
	return "none " + a.Address
}
