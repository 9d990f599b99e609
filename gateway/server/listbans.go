package server

import (
	"context"
	"time"
)

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

// ListBans returns bans that have not expired. One that is there throughout a walk over the pages appears in it exactly once. The
// error is a *BanTargetError of After.
func (s *Server) ListBans(_ context.Context, r ListBansRequest) (BanPage, error) {
	rows := s.bans.set.Load().lasting(time.Now())
	page := BanPage{Total: len(rows)}
	if r.After != "" {
		after, err := parseBanTarget(r.After, r.AfterIdentity)
		if err != nil {
			return BanPage{}, err
		}
		place, found := placeOf(rows, after)
		if found {
			place++
		}
		rows = rows[place:]
	}
	n := min(len(rows), max(r.Limit, 1))
	for _, b := range rows[:n] {
		page.Bans = append(page.Bans, b.row())
	}
	page.More = n < len(rows)
	return page, nil
}
