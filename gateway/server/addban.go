package server

import (
	"context"
	"slices"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// AddBanRequest bans.
type AddBanRequest struct {
	Target   string        // an IP address, a network in CIDR form, or an identity
	Identity bool          // whether the target is an identity
	Duration time.Duration // 0: until it is removed; at most MaxBanDuration
	Reason   string        // for the record
	Keep     bool          // leaves live connections alone
	Actor    Actor
}

// AddBanResult has the ban.
type AddBanResult struct {
	Ban      Ban
	Replaced bool   // it took the place of another of the same target
	Durable  bool   // it is in a file
	Closed   uint64 // live connections that are being closed for it
}

// AddBan refuses new connections of a target, and closes the live ones with ReasonBanned: what is queued for them is flushed for at
// most a second. A peer is known by its remote address, which is the one of a PROXY header where that was believed, and by its
// certificate's identity. The ban is carried out whole even when ctx ends. The error is a *BanTargetError, a *BanDurationError,
// ErrTooManyBans, or that of writing the file, and then nothing has changed.
func (s *Server) AddBan(_ context.Context, r AddBanRequest) (AddBanResult, error) {
	target, err := parseBanTarget(r.Target, r.Identity)
	if err != nil {
		return AddBanResult{}, err
	}
	b, err := newBan(target, r.Duration, r.Reason, r.Actor)
	if err != nil {
		return AddBanResult{}, err
	}
	result := AddBanResult{Ban: b.row(), Durable: s.bans.kept}
	err = s.bans.change(func(rows []*ban) ([]*ban, error) {
		place, found := placeOf(rows, target)
		if result.Replaced = found; found {
			rows[place] = b
			return rows, nil
		}
		return insertBan(rows, place, b)
	})
	if err != nil {
		return AddBanResult{}, err
	}
	var t tally
	if !r.Keep {
		result.Closed = s.closeBanned(b)
		t.counts[OutcomeClosed] = result.Closed
	}
	s.record(&event.ControlDetail{Verb: "AddBan", Actor: r.Actor, Reason: r.Reason, Ban: target.String()}, &t)
	return result, nil
}

// insertBan puts a ban at its place, if there is room for it.
func insertBan(rows []*ban, place int, b *ban) ([]*ban, error) {
	if len(rows) >= MaxBans {
		return nil, ErrTooManyBans
	}
	return slices.Insert(rows, place, b), nil
}

// closeBanned closes the live connections that a ban covers, and returns how many. The ban is published already: what is admitted
// meanwhile closes by itself.
func (s *Server) closeBanned(b *ban) (closed uint64) {
	s.registry.walk(func(c *Conn) bool {
		if b.target.covers(c.identity.Remote.Addr(), c.identity.Known().Identity) && c.endFor(b) {
			closed++
		}
		return true
	})
	return closed
}
