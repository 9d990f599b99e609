package server

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

const (
	// MaxBans is the most bans that a server keeps, those that have expired not counted.
	MaxBans = 10_000
	// MaxBanDuration is the longest time that a ban can be made for: ten years.
	MaxBanDuration = 10 * 365 * 24 * time.Hour
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

// ErrTooManyBans says that there are MaxBans.
var ErrTooManyBans = errors.New("there are 10,000 bans, which is the most; remove some, or ban a network in place of its addresses")

// BanDurationError says that a ban cannot last so long.
type BanDurationError struct{ Duration time.Duration }

// Error names the duration.
func (e *BanDurationError) Error() string {
	return fmt.Sprintf("ban duration %s: expected 0 (until it is removed) to 10 years, %s", e.Duration, MaxBanDuration)
}

// BanNotFoundError says that there is no ban of a target.
type BanNotFoundError struct{ Target string }

// Error names the target.
func (e *BanNotFoundError) Error() string { return fmt.Sprintf("there is no ban of %.100q", e.Target) }

// ban is a ban as a banSet has it. Nothing of it changes but what it has refused.
type ban struct {
	target    banTarget
	reason    string
	createdBy string
	createdAt time.Time
	expiresAt time.Time // zero: never
	refused   atomic.Uint64
}

// newBan makes a ban that begins now; 0 makes it last until it is removed. The error is a *BanDurationError. Its times are those of
// the machine's clock, without Go's monotonic one, as the file will have them: a ban ends when lists say that it does, also after a
// restart, and when the machine slept meanwhile.
func newBan(target banTarget, lasts time.Duration, reason string, by event.Actor) (*ban, error) {
	if lasts < 0 || lasts > MaxBanDuration {
		return nil, &BanDurationError{Duration: lasts}
	}
	b := &ban{target: target, reason: event.ShortText(reason), createdBy: by.Identity, createdAt: time.Now().Round(0).UTC()}
	if lasts > 0 {
		b.expiresAt = b.createdAt.Add(lasts)
	}
	return b, nil
}

// row is the ban as callers see it.
func (b *ban) row() Ban {
	return Ban{Target: b.target.String(), Identity: b.target.isIdentity(), Reason: b.reason, CreatedBy: b.createdBy,
		CreatedAt: b.createdAt, ExpiresAt: b.expiresAt, Refused: b.refused.Load()}
}

// over reports whether the ban has expired.
func (b *ban) over(now time.Time) bool { return !b.expiresAt.IsZero() && !now.Before(b.expiresAt) }

// outlasts reports whether the ban ends later than another.
func (b *ban) outlasts(other *ban) bool {
	return !other.expiresAt.IsZero() && (b.expiresAt.IsZero() || b.expiresAt.After(other.expiresAt))
}

// text says, for the record of who is refused, whose ban it is, until when, and why.
func (b *ban) text() string {
	text := "banned"
	if b.createdBy != "" {
		text += " by " + b.createdBy
	}
	if !b.expiresAt.IsZero() {
		text += " until " + b.expiresAt.Format(time.RFC3339)
	}
	if b.reason != "" {
		text += ": " + b.reason
	}
	return event.ShortText(text)
}
