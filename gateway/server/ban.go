package server

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// MaxBans is the most bans that a server keeps.
const MaxBans = 10_000

// MaxBanDuration is the longest that a ban may last, other than for ever.
const MaxBanDuration = 10 * 365 * 24 * time.Hour

// Ban refuses connections from a network or of an identity.
type Ban struct {
	Target    string // a network in CIDR form, masked; or an identity
	Identity  bool   // whether the target is an identity
	Reason    string
	CreatedBy string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	Refused   uint64    // connections that it has refused since the server began
}

// ErrTooManyBans says that there are MaxBans.
var ErrTooManyBans = errors.New("there are 10,000 bans, which is the most; remove some, or ban a network in place of its addresses")

// BanTargetError says that a text is no target of a ban.
type BanTargetError struct{ Target string }

// Error names the target.
func (e *BanTargetError) Error() string {
	return fmt.Sprintf("%.100q is neither an IP address nor a network; expected for example 203.0.113.7 or 2001:db8::/64", e.Target)
}

// BanNotFoundError says that there is no ban of a target.
type BanNotFoundError struct{ Target string }

// Error names the target.
func (e *BanNotFoundError) Error() string { return fmt.Sprintf("there is no ban of %.100q", e.Target) }

// AddBanRequest bans.
type AddBanRequest struct {
	Target   string // an IP address, a network in CIDR form, or an identity
	Identity bool
	Duration time.Duration // 0: until it is removed
	Reason   string
	Keep     bool // leaves live connections alone
	Actor    Actor
}

// AddBanResult has the ban.
type AddBanResult struct {
	Ban      Ban
	Replaced bool   // it took the place of another of the same target
	Durable  bool   // it is in a file
	Closed   uint64 // live connections that are being closed for it
}

// AddBan refuses new connections of a target, and closes the live ones. The error is a *BanTargetError, ErrTooManyBans, or that of
// writing the file, and then nothing has changed.
func (s *Server) AddBan(ctx context.Context, r AddBanRequest) (AddBanResult, error) {
	return AddBanResult{}, errors.ErrUnsupported
}

// ListBansRequest asks for a page of bans.
type ListBansRequest struct {
	After         string // Target of the last one of the page before; empty for the first
	AfterIdentity bool   // whether that is an identity
	Limit         int    // most rows; at least 1
}

// BanPage is a page of bans: networks in the order of their addresses, then identities in the order of their bytes.
type BanPage struct {
	Bans  []Ban
	More  bool // there are more behind it
	Total int
}

// ListBans returns bans that have not expired.
func (s *Server) ListBans(ctx context.Context, r ListBansRequest) (BanPage, error) {
	return BanPage{}, errors.ErrUnsupported
}

// RemoveBanRequest ends a ban.
type RemoveBanRequest struct {
	Target   string
	Identity bool
	Actor    Actor
}

// RemoveBan ends a ban and returns it. The error is a *BanTargetError, a *BanNotFoundError, or that of writing the file.
func (s *Server) RemoveBan(ctx context.Context, r RemoveBanRequest) (Ban, error) {
	return Ban{}, errors.ErrUnsupported
}
