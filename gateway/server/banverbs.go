package server

import (
	"net/netip"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/ban"
	"github.com/sockgate/sockgate/gateway/server/internal/tally"
)

const (
	// MaxBans is the most bans that a server keeps, those that have expired not counted: 10,000.
	MaxBans = ban.Max
	// MaxBanDuration is the longest duration of a ban: ten years.
	MaxBanDuration = ban.MaxDuration
)

// ErrTooManyBans says that there are MaxBans already, or that all of them take 32 MiB. No ban was changed.
var ErrTooManyBans = ban.ErrTooMany

// BanTargetError says that a text cannot be the target of a ban. Target is the text, and Identity says whether an
// identity was expected.
type BanTargetError = ban.TargetError

// BanFileInUseError says that another server uses Config.BanFile. Path is the file, and Err the error of locking it.
type BanFileInUseError = ban.InUseError

// BanDurationError says that a ban cannot last for its Duration, which is below 0 or above MaxBanDuration.
type BanDurationError = ban.DurationError

// AddBanRequest selects the peers to ban and the duration of the ban.
type AddBanRequest struct {
	Target   string        // an IP address, a network in CIDR form, or an identity
	Identity bool          // whether the target is an identity
	Duration time.Duration // 0: until it is removed; at most MaxBanDuration
	Reason   string        // for records and the Closed events; cut to event.MaxText bytes
	Keep     bool          // leaves live connections alone
	Actor    event.Actor   // for records; the zero value makes none
}

// AddBanResult is the ban that AddBan made.
type AddBanResult struct {
	Ban      Ban    // as it is kept
	Replaced bool   // it took the place of another of the same target
	Durable  bool   // it is in a file, and on the disk; Ban.NotKept says why it is not
	Closed   uint64 // live connections that are being closed for it
}

// AddBan refuses new connections of a target, and closes the live ones with ReasonBanned: what is queued for them is
// flushed for at most a second. A peer is known by its remote address, which is the one of a PROXY header where that
// was believed, and by its certificate's identity. The ban is in force at once. AddBan then blocks until it is on the
// disk, for at most 2 s, and does not wait for the connections. When it cannot be written, the result says so, and the
// server goes on trying. The error is a *BanTargetError, a *BanDurationError or ErrTooManyBans, and then nothing has
// changed.
func (s *Server) AddBan(r AddBanRequest) (AddBanResult, error) {
	target, err := ban.ParseTarget(r.Target, r.Identity)
	if err != nil {
		return AddBanResult{}, err
	}
	b, err := ban.New(target, r.Duration, r.Reason, r.Actor)
	if err != nil {
		return AddBanResult{}, err
	}
	replaced, kept, err := s.bans.Put(b)
	if err != nil {
		return AddBanResult{}, err
	}
	result := AddBanResult{Replaced: replaced}
	var t tally.Tally
	if !r.Keep {
		result.Closed = s.closeBanned(b)
		t.Counts[OutcomeClosed] = result.Closed
	}
	result.Ban = banRow(b, kept.Await())
	result.Durable = s.bans.Kept && result.Ban.NotKept == ""
	s.record(&event.ControlDetail{Verb: "AddBan", Actor: r.Actor, Reason: r.Reason, Ban: target.String()}, &t)
	return result, nil
}

// closeBanned closes the live connections that a ban covers, and returns their number. The ban is in force already, so
// that a connection that is admitted meanwhile closes itself.
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
	// banFlush is the flush timeout of a connection that is closed for a ban.
	banFlush = time.Second
)

// Ban refuses connections from a network or of an identity. It is a copy.
type Ban struct {
	Target    string    // a network in CIDR form, masked; or an identity
	Identity  bool      // whether the target is an identity
	Reason    string    // of AddBan or Kick; may be empty
	CreatedBy string    // the identity of the Actor; empty for the process itself
	CreatedAt time.Time // by the machine's clock
	ExpiresAt time.Time // by the machine's clock; zero: never
	Refused   uint64    // connections that it has refused since the server began
	// NotKept says why a restart would lose the ban; of RemoveBan, why a restart would bring it back. It is "" when the
	// change is on the disk, and without Config.BanFile.
	NotKept string
}

// BanNotFoundError says that there is no ban of a target: Target is in the form of Ban.Target.
type BanNotFoundError = ban.NotFoundError

// banRow returns a ban in the form that callers see.
func banRow(b *ban.Ban, notKept string) Ban {
	return Ban{Target: b.Target.String(), Identity: b.Target.IsIdentity(), Reason: b.Reason, CreatedBy: b.CreatedBy,
		CreatedAt: b.CreatedAt, ExpiresAt: b.ExpiresAt, Refused: b.Refused.Load(), NotKept: notKept}
}

// banned reports whether the peer of a new connection is banned, and counts the refusal. The text has the ban's author,
// end and reason. The identity comes from a verified certificate; it is empty without one, and while it is not known
// yet.
func (s *Server) banned(addr netip.Addr, identity string) (text string, yes bool) {
	b := s.bans.Find(addr, identity)
	if b == nil {
		return "", false
	}
	b.Refused.Add(1)
	return b.Text(), true
}

// endIfBanned closes a connection whose peer was banned during its admission. The connection must be in the registry.
// AddBan publishes a ban first and walks the registry afterwards, so at least one of the two notices the other.
func (c *Conn) endIfBanned() {
	if c.owner.server.bans.None() {
		return
	}
	if b := c.owner.server.bans.Find(c.identity.Remote.Addr(), c.identity.Known().Identity); b != nil {
		c.endFor(b)
	}
}

// endFor closes a connection for a ban of its peer. It returns false when the connection is ending already.
func (c *Conn) endFor(b *ban.Ban) bool {
	return c.end(ending{reason: ReasonBanned, text: b.Reason, by: b.CreatedBy, answering: true}, banFlush)
}

// reportBans reports what happens to the ban file in the log, and what is wrong with it in an Error event.
func (s *Server) reportBans(r ban.Report) {
	if r.Err == nil {
		s.config.Logger.Warn(r.Text, "changes", r.Changes)
		return
	}
	s.config.Logger.Error(r.Text, "error", r.Err, "changes", r.Changes)
	s.log.Append(&event.Event{Type: event.Error, Detail: &event.ErrorDetail{Operation: event.OpBanFile,
		Message: event.ShortText(r.Err.Error()), Count: max(1, r.Changes)}})
}

// closeBans lets another server use the ban file.
func (s *Server) closeBans() {
	if err := s.bans.Close(); err != nil {
		s.config.Logger.Warn("closing the ban file failed", "error", err)
	}
}

// ListBansRequest selects a page of bans.
type ListBansRequest struct {
	After         string // Target of the last ban of the previous page; empty for the first page
	AfterIdentity bool   // whether After is an identity
	Limit         int    // most bans of the page; 0 or less means DefaultLimit
}

// BanPage is a page of bans. Networks come in the order of their addresses, then identities in the order of their
// bytes.
type BanPage struct {
	Bans  []Ban
	More  bool // there are more behind it
	Total int  // all bans that have not expired
}

// ListBans returns bans that have not expired. It does not block. A ban that is there throughout a walk over the pages
// appears in it exactly once. The error is a *BanTargetError of After.
func (s *Server) ListBans(r ListBansRequest) (BanPage, error) {
	var after ban.Target
	if r.After != "" {
		var err error
		if after, err = ban.ParseTarget(r.After, r.AfterIdentity); err != nil {
			return BanPage{}, err
		}
	}
	rows, total, rest := s.bans.Page(after, pageLimit(r.Limit))
	page := BanPage{Total: total, More: rest > 0}
	for _, b := range rows {
		page.Bans = append(page.Bans, banRow(b, s.bans.NotKept(b)))
	}
	return page, nil
}

// RemoveBanRequest names a ban to remove.
type RemoveBanRequest struct {
	Target   string      // as in AddBanRequest
	Identity bool        // whether the target is an identity
	Actor    event.Actor // the author in records; the zero value makes none
}

// RemoveBan ends a ban and returns it. Like AddBan it takes effect at once, and then blocks until the file is on the
// disk. The error is a *BanTargetError or a *BanNotFoundError, and then nothing has changed.
func (s *Server) RemoveBan(r RemoveBanRequest) (Ban, error) {
	target, err := ban.ParseTarget(r.Target, r.Identity)
	if err != nil {
		return Ban{}, err
	}
	removed, kept, err := s.bans.Remove(target)
	switch {
	case err != nil:
		return Ban{}, err
	case removed == nil:
		return Ban{}, &BanNotFoundError{Target: target.String()}
	}
	notKept := kept.Await()
	s.record(&event.ControlDetail{Verb: "RemoveBan", Actor: r.Actor, Ban: target.String()}, &tally.Tally{})
	return banRow(removed, notKept), nil
}
