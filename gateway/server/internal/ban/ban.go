// Package ban keeps the bans of a server: their targets, a table for look-ups, and the file that outlives the
// process.
package ban

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

const (
	// Max is the most bans that a server keeps. Expired ones do not count.
	Max = 10_000
	// maxBytes is the most bytes of all bans, as lines of the file: what 10,000 bans of 3 KiB take.
	maxBytes = 32 << 20
	// MaxDuration is the longest duration of a ban: ten years.
	MaxDuration = 10 * 365 * 24 * time.Hour
)

// ErrTooMany says that there are Max bans already.
var ErrTooMany = errors.New("there are 10,000 bans, which is the most; remove some, or ban a network in place of its " +
	"addresses")

// SizeError says that all bans together would take too many Bytes. It is an ErrTooMany too.
type SizeError struct{ Bytes int }

// Error says what is allowed.
func (e *SizeError) Error() string {
	return fmt.Sprintf("the bans would take %d bytes; at most %d are allowed: remove some, or shorten their reasons",
		e.Bytes, maxBytes)
}

// Is makes the error an ErrTooMany.
func (e *SizeError) Is(target error) bool { return target == ErrTooMany }

// DurationError says that a ban cannot have the Duration: it is negative or more than MaxDuration.
type DurationError struct{ Duration time.Duration }

// Error quotes the duration and says what is expected.
func (e *DurationError) Error() string {
	return fmt.Sprintf("ban duration %s: expected 0 (until it is removed) to 10 years, %s", e.Duration, MaxDuration)
}

// Ban is a ban of a List. Its exported fields never change, except for Refused. Any goroutine may use it.
type Ban struct {
	Target    Target        // the network or identity that is banned
	Reason    string        // the operator's words, at most event.MaxText bytes; may be empty
	CreatedBy string        // the identity of the caller that made it; may be empty
	CreatedAt time.Time     // by the machine's clock, in UTC
	ExpiresAt time.Time     // by the machine's clock, in UTC; zero for a ban that lasts until it is removed
	Refused   atomic.Uint64 // connections refused since the server began

	kept  atomic.Bool // it is in the file, and on the disk
	size  int         // of its line in the file, in bytes; set before a table has it
	place int         // in the table's ends; the lock of the List guards it
}

// New returns a ban that begins now and lasts until it is removed when lasts is 0. The error is a *DurationError. Its
// times are from the machine's clock and lack Go's monotonic reading, as in the file. A ban therefore ends at the time
// that lists show, also after a restart or a sleep of the machine.
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

// outlasts reports whether b ends later than other.
func (b *Ban) outlasts(other *Ban) bool {
	return !other.ExpiresAt.IsZero() && (b.ExpiresAt.IsZero() || b.ExpiresAt.After(other.ExpiresAt))
}

// Text returns the author, end and reason of the ban for the record of a refusal, in at most event.MaxText bytes.
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
