package server

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/ban"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

const (
	// MaxBans is the most bans that a server keeps, those that have expired not counted.
	MaxBans = ban.Max
	// MaxBanDuration is the longest time that a ban can be made for: ten years.
	MaxBanDuration = ban.MaxDuration
)

// ErrTooManyBans says that there are MaxBans already. Nothing was changed.
var ErrTooManyBans = ban.ErrTooMany

// BanTargetError says that a text is no target of a ban: Target is the text, and Identity whether an identity was
// expected.
type BanTargetError = ban.TargetError

// BanFileInUseError says that another server has Config.BanFile: Path is the file, and Err the error of locking it.
type BanFileInUseError = ban.InUseError

// BanDurationError says that a ban cannot last for its Duration.
type BanDurationError = ban.DurationError

// AddBanRequest says which peers a ban is for, and how long.
type AddBanRequest struct {
	Target   string        // an IP address, a network in CIDR form, or an identity
	Identity bool          // whether the target is an identity
	Duration time.Duration // 0: until it is removed; at most MaxBanDuration
	Reason   string        // for the record
	Keep     bool          // leaves live connections alone
	Actor    event.Actor   // for records; the zero value makes none
}

// AddBanResult is the ban that AddBan made.
type AddBanResult struct {
	Ban      Ban
	Replaced bool   // it took the place of another of the same target
	Durable  bool   // it is in a file
	Closed   uint64 // live connections that are being closed for it
}

// AddBan refuses new connections of a target, and closes the live ones with ReasonBanned: what is queued for them is
// flushed for at most a second. A peer is known by its remote address, which is the one of a PROXY header where that
// was believed, and by its certificate's identity. AddBan waits for the ban file to be on the disk, and not for the
// connections. The ban is carried out whole even when ctx ends. The error is a *BanTargetError, a *BanDurationError,
// ErrTooManyBans, or that of writing the file, and then nothing has changed.
func (s *Server) AddBan(_ context.Context, r AddBanRequest) (AddBanResult, error) {
	target, err := ban.ParseTarget(r.Target, r.Identity)
	if err != nil {
		return AddBanResult{}, err
	}
	b, err := ban.New(target, r.Duration, r.Reason, r.Actor)
	if err != nil {
		return AddBanResult{}, err
	}
	result := AddBanResult{Ban: banRow(b), Durable: s.bans.Kept}
	err = s.bans.Change(func(rows []*ban.Ban) ([]*ban.Ban, error) {
		place, found := ban.PlaceOf(rows, target)
		if result.Replaced = found; found {
			rows[place] = b
			return rows, nil
		}
		return ban.Insert(rows, place, b)
	})
	if err != nil {
		return AddBanResult{}, err
	}
	var t tally.Tally
	if !r.Keep {
		result.Closed = s.closeBanned(b)
		t.Counts[OutcomeClosed] = result.Closed
	}
	s.record(&event.ControlDetail{Verb: "AddBan", Actor: r.Actor, Reason: r.Reason, Ban: target.String()}, &t)
	return result, nil
}

// closeBanned closes the live connections that a ban covers, and returns how many. The ban is published already: what
// is admitted meanwhile closes by itself.
func (s *Server) closeBanned(b *ban.Ban) (closed uint64) {
	s.registry.Walk(func(c *Conn) bool {
		if b.Target.Covers(c.identity.Remote.Addr(), c.identity.Known().Identity) && c.endFor(b) {
			closed++
		}
		return true
	})
	return closed
}

const (
	// banFlush is how long a connection that is closed for a ban has to take what is queued for it.
	banFlush = time.Second
)

// Ban refuses connections from a network or of an identity.
type Ban struct {
	Target    string // a network in CIDR form, masked; or an identity
	Identity  bool   // whether the target is an identity
	Reason    string
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time // by the machine's clock; zero: never
	Refused   uint64    // connections that it has refused since the server began
}

// BanNotFoundError says that there is no ban of a target.
type BanNotFoundError struct{ Target string }

// Error names the target.
func (e *BanNotFoundError) Error() string { return fmt.Sprintf("there is no ban of %.100q", e.Target) }

// row is the ban as callers see it.
func banRow(b *ban.Ban) Ban {
	return Ban{Target: b.Target.String(), Identity: b.Target.IsIdentity(), Reason: b.Reason, CreatedBy: b.CreatedBy,
		CreatedAt: b.CreatedAt, ExpiresAt: b.ExpiresAt, Refused: b.Refused.Load()}
}

// banned reports whether a peer that wants to connect is banned. The text has the ban's author, end and reason. It
// counts the refusal. The identity is that of a verified certificate; empty when there is none, or it is not known yet.
func (s *Server) banned(addr netip.Addr, identity string) (text string, yes bool) {
	b := s.bans.Find(addr, identity)
	if b == nil {
		return "", false
	}
	b.Refused.Add(1)
	return b.Text(), true
}

// endIfBanned closes a connection that was admitted while a ban of its peer was made. It is called when the connection
// is in the registry: AddBan publishes the ban first and then goes through the registry, so that at least one of the
// two sees the other.
func (c *Conn) endIfBanned() {
	if c.owner.server.bans.Current.Load() == nil {
		return
	}
	if b := c.owner.server.bans.Find(c.identity.Remote.Addr(), c.identity.Known().Identity); b != nil {
		c.endFor(b)
	}
}

// endFor closes a connection for a ban of its peer. It returns false when it is ending already.
func (c *Conn) endFor(b *ban.Ban) bool {
	return c.end(ending{reason: ReasonBanned, text: b.Reason, by: b.CreatedBy, answering: true}, banFlush)
}

// reportDamage tells of a ban file that was damaged, in the log and in an ERROR event.
func (s *Server) reportDamage(damage error) {
	s.config.Logger.Error("bans are lost", "error", damage)
	s.log.Append(&event.Event{Type: event.Error, Detail: &event.ErrorDetail{Operation: event.OpBanFile,
		Message: event.ShortText(damage.Error()), Count: 1}})
}

// closeBans lets another server have the ban file.
func (s *Server) closeBans() {
	if err := s.bans.Close(); err != nil {
		s.config.Logger.Warn("closing the ban file failed", "error", err)
	}
}

// ListBansRequest selects a page of bans.
type ListBansRequest struct {
	After         string // Target of the last one of the page before; empty for the first
	AfterIdentity bool   // whether that is an identity
	Limit         int    // most rows; 0 or less: DefaultLimit
}

// BanPage is a page of bans: networks in the order of their addresses, then identities in the order of their bytes.
type BanPage struct {
	Bans  []Ban
	More  bool // there are more behind it
	Total int
}

// ListBans returns bans that have not expired. One that is there throughout a walk over the pages appears in it exactly
// once. The error is a *BanTargetError of After.
func (s *Server) ListBans(_ context.Context, r ListBansRequest) (BanPage, error) {
	rows := s.bans.Current.Load().Lasting(time.Now())
	page := BanPage{Total: len(rows)}
	if r.After != "" {
		after, err := ban.ParseTarget(r.After, r.AfterIdentity)
		if err != nil {
			return BanPage{}, err
		}
		place, found := ban.PlaceOf(rows, after)
		if found {
			place++
		}
		rows = rows[place:]
	}
	n := min(len(rows), pageLimit(r.Limit))
	for _, b := range rows[:n] {
		page.Bans = append(page.Bans, banRow(b))
	}
	page.More = n < len(rows)
	return page, nil
}

// RemoveBanRequest names a ban to remove.
type RemoveBanRequest struct {
	Target   string      // as for AddBanRequest
	Identity bool        // whether the target is an identity
	Actor    event.Actor // for records; the zero value makes none
}

// RemoveBan ends a ban and returns it. The error is a *BanTargetError, a *BanNotFoundError, or that of writing the
// file, and then nothing has changed.
func (s *Server) RemoveBan(_ context.Context, r RemoveBanRequest) (Ban, error) {
	target, err := ban.ParseTarget(r.Target, r.Identity)
	if err != nil {
		return Ban{}, err
	}
	var removed *ban.Ban
	err = s.bans.Change(func(rows []*ban.Ban) ([]*ban.Ban, error) {
		place, found := ban.PlaceOf(rows, target)
		if !found {
			return nil, &BanNotFoundError{Target: target.String()}
		}
		removed = rows[place]
		return slices.Delete(rows, place, place+1), nil
	})
	if err != nil {
		return Ban{}, err
	}
	s.record(&event.ControlDetail{Verb: "RemoveBan", Actor: r.Actor, Ban: target.String()}, &tally.Tally{})
	return banRow(removed), nil
}
