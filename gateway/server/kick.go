package server

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/ban"
)

// KickRequest ends connections: those of IDs, or else those that Match selects.
type KickRequest struct {
	IDs      []string
	Match    Matcher
	Reason   string
	Farewell []byte        // must not change afterwards
	Flush    time.Duration // how long the queue may take to be flushed; more than 0
	Ban      time.Duration // more than 0: also bans each connection's peer for so long; at most MaxBanDuration
	DryRun   bool          // only say what would be kicked, and ban nobody
	Actor    Actor
}

// KickResult tells what became of the targets. Outcomes has one entry for each of IDs, in order; with Match, the first 100
// that were not cleanly kicked, or with DryRun that would be.
type KickResult struct {
	Outcomes                          []TargetOutcome
	Matched, Kicked, Closed, NotFound uint64
	Banned                            []string // with Ban: the targets that are banned now, each once, in their order; the first 100
}

// kicking gathers the outcomes of one Kick; the connections report to it as they close.
type kicking struct {
	server  *Server
	request *KickRequest
	pending sync.WaitGroup

	mu       sync.Mutex
	tally    tally
	outcomes []TargetOutcome // with IDs: in their order
}

// Kick ends connections and returns when every target is closed, which takes no longer than Flush or, when that is earlier,
// ctx's deadline. With Ban, the peers of all the targets are banned before the first is closed, so that none comes back; their other
// connections stay. The error is that of banning, and then nothing has changed; without Ban there is none.
func (s *Server) Kick(ctx context.Context, r KickRequest) (KickResult, error) {
	if deadline, ok := ctx.Deadline(); ok {
		r.Flush = max(time.Millisecond, min(r.Flush, time.Until(deadline)-2*answerMargin))
	}
	k := &kicking{server: s, request: &r, outcomes: make([]TargetOutcome, len(r.IDs))}
	d := &event.ControlDetail{Verb: "Kick", Actor: r.Actor, Filter: source(r.Match), IDs: r.IDs, Reason: r.Reason}
	var banned []string
	if r.Ban > 0 && !r.DryRun {
		d.Ban = r.Ban.String()
		var err error
		if banned, err = k.banAndKick(); err != nil {
			return KickResult{}, err
		}
	} else {
		k.each(k.kick)
	}
	k.pending.Wait()
	if !r.DryRun {
		s.record(d, &k.tally)
	}
	result := k.result()
	result.Banned = banned
	return result, nil
}

// each calls f for the live connections that the request selects, with the connection's place in IDs, or -1; it notes the IDs of none.
func (k *kicking) each(f func(c *Conn, place int)) {
	r := k.request
	if r.Match != nil {
		now := time.Now()
		k.server.registry.Walk(func(c *Conn) bool {
			if matches(r.Match, c, now) {
				f(c, -1)
			}
			return true
		})
		return
	}
	for i, id := range r.IDs {
		if c, _, outcome := k.server.find(id); c != nil {
			f(c, i)
		} else {
			k.note(i, TargetOutcome{ID: id, Outcome: outcome})
		}
	}
}

// kick ends one connection; place is its index in IDs, or -1.
func (k *kicking) kick(c *Conn, place int) {
	r := k.request
	if r.DryRun {
		o := OutcomeWouldKick
		if info := c.Info(); info.CloseReason != event.ReasonNone {
			o = OutcomeClosed
		}
		k.note(place, TargetOutcome{ID: c.ID(), Outcome: o})
		return
	}
	k.pending.Add(1)
	watch := func(info Info) {
		t := TargetOutcome{ID: info.ID(), Outcome: OutcomeKicked, Unsent: info.UnsentBytes}
		if t.Unsent > 0 {
			t.Outcome = OutcomeKickedUnflushed
		}
		k.note(place, t)
		k.pending.Done()
	}
	if !c.end(ending{reason: ReasonKicked, text: r.Reason, by: r.Actor.Identity, watch: watch, farewell: r.Farewell, answering: true}, r.Flush) {
		k.note(place, TargetOutcome{ID: c.ID(), Outcome: OutcomeClosed})
		k.pending.Done()
	}
}

func (k *kicking) note(place int, t TargetOutcome) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if place >= 0 {
		k.outcomes[place] = t
	}
	if t.Outcome == OutcomeKicked {
		k.tally.add(t.Outcome)
	} else {
		k.tally.addFailure(t)
	}
}

func (k *kicking) result() KickResult {
	k.mu.Lock()
	defer k.mu.Unlock()
	counts := &k.tally.counts
	r := KickResult{
		Outcomes: k.outcomes,
		Matched:  k.tally.total(),
		Kicked:   counts[OutcomeKicked] + counts[OutcomeKickedUnflushed] + counts[OutcomeWouldKick],
		Closed:   counts[OutcomeClosed],
		NotFound: k.tally.missing(),
	}
	if k.request.Match != nil {
		r.Outcomes = k.tally.failures
	}
	return r
}

// kickTarget is a connection that a Kick is to end, and its place in IDs, or -1.
type kickTarget struct {
	conn  *Conn
	place int
}

// banAndKick bans the peers of the connections that the request selects, all with one writing of the file, and then ends the
// connections. It returns the targets, or an error, and then nobody was banned and nothing ended.
func (k *kicking) banAndKick() ([]string, error) {
	var targets []kickTarget
	k.each(func(c *Conn, place int) { targets = append(targets, kickTarget{conn: c, place: place}) })
	banned, err := k.banPeers(targets)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		k.kick(t.conn, t.place)
	}
	return banned, nil
}

// banPeers bans the peers of connections, unless they are ending already, and returns the first of the targets. A ban of the same target
// that lasts longer stays.
func (k *kicking) banPeers(targets []kickTarget) (named []string, err error) {
	peers := make(map[ban.Target]bool)
	for _, t := range targets {
		identity := t.conn.identity
		if target, ok := ban.PeerTarget(identity.Remote.Addr(), identity.Known().Identity); ok && t.conn.Info().CloseReason == event.ReasonNone {
			peers[target] = true
		}
	}
	var added []*ban.Ban
	for target := range peers {
		b, err := ban.New(target, k.request.Ban, k.request.Reason, k.request.Actor)
		if err != nil {
			return nil, err
		}
		added = append(added, b)
	}
	if len(added) == 0 {
		return nil, nil
	}
	slices.SortFunc(added, func(a, b *ban.Ban) int { return a.Target.Compare(b.Target) })
	if err := k.server.bans.Change(func(rows []*ban.Ban) ([]*ban.Ban, error) { return ban.Merge(rows, added) }); err != nil {
		return nil, err
	}
	for _, b := range added[:min(len(added), maxFailures)] {
		named = append(named, b.Target.String())
	}
	return named, nil
}
