package server

import (
	"slices"

	"github.com/sockgate/sockgate/gateway/event"
)

// kickTarget is a connection that a Kick is to end, and its place in IDs, or -1.
type kickTarget struct {
	conn  *Conn
	place int
}

// banAndKick bans the peers of the connections that the request selects, all with one writing of the file, and then ends the
// connections. It returns the targets, or an error, and then nobody was banned and nothing ended.
func (k *kicking) banAndKick() ([]string, error) {
	var targets []kickTarget
	k.each(func(c *Conn, place int) { targets = append(targets, kickTarget{conn: c, place: place}) })
	banned, err := k.banPeers(targets)
	if err != nil {
		return nil, err
	}
	for _, t := range targets {
		k.kick(t.conn, t.place)
	}
	return banned, nil
}

// banPeers bans the peers of connections, unless they are ending already, and returns the first of the targets. A ban of the same target
// that lasts longer stays.
func (k *kicking) banPeers(targets []kickTarget) (named []string, err error) {
	peers := make(map[banTarget]bool)
	for _, t := range targets {
		identity := t.conn.identity
		if target, ok := peerTarget(identity.Remote.Addr(), identity.Known().Identity); ok && t.conn.Info().CloseReason == event.ReasonNone {
			peers[target] = true
		}
	}
	var added []*ban
	for target := range peers {
		b, err := newBan(target, k.request.Ban, k.request.Reason, k.request.Actor)
		if err != nil {
			return nil, err
		}
		added = append(added, b)
	}
	if len(added) == 0 {
		return nil, nil
	}
	slices.SortFunc(added, func(a, b *ban) int { return a.target.compare(b.target) })
	if err := k.server.bans.change(func(rows []*ban) ([]*ban, error) { return withBans(rows, added) }); err != nil {
		return nil, err
	}
	for _, b := range added[:min(len(added), maxFailures)] {
		named = append(named, b.target.String())
	}
	return named, nil
}

// withBans adds bans to others, both in the order of their targets. Of two of the same target, the one that lasts longer stays.
func withBans(rows, added []*ban) ([]*ban, error) {
	all := make([]*ban, 0, len(rows)+len(added))
	for _, b := range added {
		place, found := placeOf(rows, b.target)
		all = append(all, rows[:place]...)
		rows = rows[place:]
		if found {
			if rows[0].outlasts(b) {
				b = rows[0]
			}
			rows = rows[1:]
		}
		all = append(all, b)
	}
	if all = append(all, rows...); len(all) > MaxBans {
		return nil, ErrTooManyBans
	}
	return all, nil
}
