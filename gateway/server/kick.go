package server

import (
	"context"
	"sync"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/ban"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

// KickRequest selects the connections that a Kick ends, and says how.
type KickRequest struct {
	Targets  Targets       // the zero value: none
	Reason   string        // for records and the Closed event; cut to event.MaxText bytes
	Farewell []byte        // sent before FIN; must not change afterwards
	Flush    time.Duration // longest flush of a queue; 0 or less means Config.CloseTimeout
	Ban      time.Duration // more than 0 bans each connection's peer for so long; at most MaxBanDuration
	DryRun   bool          // counts the targets, but ends no connection and bans no peer
	Actor    event.Actor   // the author in records; the zero value makes none
}

// KickResult has the outcomes of the targets. Outcomes has one entry for each ID, in order; without IDs, it has the
// first 100 that were not cleanly kicked, or with DryRun that would be.
type KickResult struct {
	Outcomes []TargetOutcome
	Matched  uint64   // how many targets there were: the sum of the next three
	Kicked   uint64   // closed by this call, flushed or not; with DryRun those that would be
	Closed   uint64   // closing or closed already
	NotFound uint64   // IDs that name no connection of this server
	Banned   []string // with Ban: the targets that are banned now, each once, in their order; the first 100
	NotKept  string   // why a restart would lose these bans; "" when they are on the disk, and without Config.BanFile
}

// kicking gathers the outcomes of one Kick. Connections report to it as they close.
type kicking struct {
	server  *Server
	request *KickRequest
	pending sync.WaitGroup

	mu   sync.Mutex
	gone tally.Targeted
}

// Kick ends connections and blocks until every target is closed. That takes no longer than Flush, and no longer than
// ctx's deadline. With Ban, it bans the peers of all targets before it closes the first, so that none comes back. Other
// connections of these peers stay. The error is that of banning, and nothing has changed then; without Ban it is always
// nil.
func (s *Server) Kick(ctx context.Context, r KickRequest) (KickResult, error) {
	if r.Flush <= 0 {
		r.Flush = s.config.CloseTimeout
	}
	if deadline, ok := ctx.Deadline(); ok {
		r.Flush = max(time.Millisecond, min(r.Flush, time.Until(deadline)-2*answerMargin))
	}
	k := &kicking{server: s, request: &r, gone: tally.NewTargeted(len(r.Targets.ids))}
	d := &event.ControlDetail{Verb: "Kick", Actor: r.Actor, Filter: r.Targets.source(), IDs: r.Targets.ids,
		Reason: r.Reason}
	var banned []string
	var kept *ban.Receipt
	if r.Ban > 0 && !r.DryRun {
		d.Ban = r.Ban.String()
		var err error
		if banned, kept, err = k.banAndKick(); err != nil {
			return KickResult{}, err
		}
	} else {
		k.server.each(r.Targets, k.kick, k.missing)
	}
	k.pending.Wait()
	if !r.DryRun {
		s.record(d, &k.gone.Tally)
	}
	result := k.result()
	result.Banned, result.NotKept = banned, kept.Await()
	return result, nil
}

// kick ends one connection; place is its index in the IDs, or -1.
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
	watch := func(info Connection) {
		t := TargetOutcome{ID: info.ID(), Outcome: OutcomeKicked, Unsent: info.UnsentBytes}
		if t.Unsent > 0 {
			t.Outcome = OutcomeKickedUnflushed
		}
		k.note(place, t)
		k.pending.Done()
	}
	if !c.end(ending{reason: ReasonKicked, text: r.Reason, by: r.Actor.Identity, watch: watch, farewell: r.Farewell,
		answering: true}, r.Flush) {
		k.note(place, TargetOutcome{ID: c.ID(), Outcome: OutcomeClosed})
		k.pending.Done()
	}
}

// missing records an ID without a live connection.
func (k *kicking) missing(t TargetOutcome, place int) { k.note(place, t) }

func (k *kicking) note(place int, t TargetOutcome) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gone.Note(place, t, t.Outcome == OutcomeKicked)
}

func (k *kicking) result() KickResult {
	k.mu.Lock()
	defer k.mu.Unlock()
	counts := &k.gone.Counts
	return KickResult{
		Outcomes: k.gone.Outcomes(k.request.Targets.byID()),
		Matched:  k.gone.Total(),
		Kicked:   counts[OutcomeKicked] + counts[OutcomeKickedUnflushed] + counts[OutcomeWouldKick],
		Closed:   counts[OutcomeClosed],
		NotFound: k.gone.Missing(),
	}
}

// kickTarget is a connection to end, and its index in the IDs, or -1.
type kickTarget struct {
	conn  *Conn
	place int
}

// banAndKick bans the peers of the selected connections, and then ends the connections. It returns the banned targets.
// After an error no peer is banned and no connection has ended.
func (k *kicking) banAndKick() (banned []string, kept *ban.Receipt, err error) {
	var targets []kickTarget
	found := func(c *Conn, place int) { targets = append(targets, kickTarget{conn: c, place: place}) }
	k.server.each(k.request.Targets, found, k.missing)
	if banned, kept, err = k.banPeers(targets); err != nil {
		return nil, nil, err
	}
	for _, t := range targets {
		k.kick(t.conn, t.place)
	}
	return banned, kept, nil
}

// banPeers bans the peers of connections that are not ending already, and returns the first 100 of the banned targets.
// An existing ban of the same target stays if it ends later.
func (k *kicking) banPeers(targets []kickTarget) (named []string, kept *ban.Receipt, err error) {
	peers := make(map[ban.Target]bool)
	for _, t := range targets {
		identity := t.conn.identity
		if target, ok := ban.PeerTarget(identity.Remote.Addr(), identity.Known().Identity); ok &&
			t.conn.Info().CloseReason == event.ReasonNone {
			peers[target] = true
		}
	}
	return k.server.bans.PutPeers(peers, k.request.Ban, k.request.Reason, k.request.Actor, tally.MaxFailures)
}
