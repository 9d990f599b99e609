package server

import (
	"context"
	"slices"

	"github.com/sockgate/sockgate/gateway/event"
)

// RemoveBanRequest ends a ban.
type RemoveBanRequest struct {
	Target   string // as for AddBanRequest
	Identity bool
	Actor    Actor
}

// RemoveBan ends a ban and returns it. The error is a *BanTargetError, a *BanNotFoundError, or that of writing the file, and then
// nothing has changed.
func (s *Server) RemoveBan(_ context.Context, r RemoveBanRequest) (Ban, error) {
	target, err := parseBanTarget(r.Target, r.Identity)
	if err != nil {
		return Ban{}, err
	}
	var removed *ban
	err = s.bans.change(func(rows []*ban) ([]*ban, error) {
		place, found := placeOf(rows, target)
		if !found {
			return nil, &BanNotFoundError{Target: target.String()}
		}
		removed = rows[place]
		return slices.Delete(rows, place, place+1), nil
	})
	if err != nil {
		return Ban{}, err
	}
	s.record(&event.ControlDetail{Verb: "RemoveBan", Actor: r.Actor, Ban: target.String()}, &tally{})
	return removed.row(), nil
}
