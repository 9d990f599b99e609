// Package ban has the bans of a server: a set that never changes, the file that keeps it, and what a ban is of.
package ban

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

const (
	// Max is the most bans that a server keeps, those that have expired not counted.
	Max = 10_000
	// MaxDuration is the longest time that a ban can be made for: ten years.
	MaxDuration = 10 * 365 * 24 * time.Hour
)

// ErrTooMany says that there are Max bans.
var ErrTooMany = errors.New("there are 10,000 bans, which is the most; remove some, or ban a network in place of its " +
	"addresses")

// DurationError says that a ban cannot last so long.
type DurationError struct{ Duration time.Duration }

// Error names the duration.
func (e *DurationError) Error() string {
	return fmt.Sprintf("ban duration %s: expected 0 (until it is removed) to 10 years, %s", e.Duration, MaxDuration)
}

// Ban is a ban as a Set has it. Nothing of it changes but what it has refused.
type Ban struct {
	Target    Target
	Reason    string
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	Refused   atomic.Uint64
}

// New makes a ban that begins now; 0 makes it last until it is removed. The error is a *DurationError. Its times are
// those of the machine's clock, without Go's monotonic one, as the file will have them: a ban ends when lists say that
// it does, also after a restart, and when the machine slept meanwhile.
func New(target Target, lasts time.Duration, reason string, by event.Actor) (*Ban, error) {
	if lasts < 0 || lasts > MaxDuration {
		return nil, &DurationError{Duration: lasts}
	}
	b := &Ban{Target: target, Reason: event.ShortText(reason), CreatedBy: by.Identity,
		CreatedAt: time.Now().Round(0).UTC()}
	if lasts > 0 {
		b.ExpiresAt = b.CreatedAt.Add(lasts)
	}
	return b, nil
}

// over reports whether the ban has expired.
func (b *Ban) over(now time.Time) bool { return !b.ExpiresAt.IsZero() && !now.Before(b.ExpiresAt) }

// outlasts reports whether the ban ends later than another.
func (b *Ban) outlasts(other *Ban) bool {
	return !other.ExpiresAt.IsZero() && (b.ExpiresAt.IsZero() || b.ExpiresAt.After(other.ExpiresAt))
}

// Text says, for the record of a refusal, the author of the ban, its end and its reason.
func (b *Ban) Text() string {
	text := "banned"
	if b.CreatedBy != "" {
		text += " by " + b.CreatedBy
	}
	if !b.ExpiresAt.IsZero() {
		text += " until " + b.ExpiresAt.Format(time.RFC3339)
	}
	if b.Reason != "" {
		text += ": " + b.Reason
	}
	return event.ShortText(text)
}
