package server

import (
	"context"
	"fmt"

	"github.com/sockgate/sockgate/gateway/server/internal/group"
	"github.com/sockgate/sockgate/gateway/server/internal/registry"
)

// MaxGroups is the most groups that a Count returns: 1,000.
const MaxGroups = group.Max

// GroupBy is the property that a Count groups connections by, made by ParseGroupBy. The zero value does not group.
type GroupBy struct {
	name string
	read func(*Connection) string
}

// ParseGroupBy reads the name of a property: `listener`, `state`, `close_reason`, `remote_ip` ("" for a unix socket),
// or `labels.` and a label's key ("" where it is not set). The error lists these names.
func ParseGroupBy(text string) (GroupBy, error) {
	read := group.Reader(text)
	if read == nil {
		return GroupBy{}, fmt.Errorf("%.100q is nothing to group by; expected listener, state, close_reason, remote_ip, "+
			"or labels. and a label's key, as in labels.room", text)
	}
	return GroupBy{name: text, read: read}, nil
}

// String returns the text that was parsed; "" for the zero value.
func (g GroupBy) String() string { return g.name }

// CountRequest selects the connections that Count counts.
type CountRequest struct {
	State ListState // the zero value means ListLive
	Match Matcher   // nil selects all
	By    GroupBy   // the zero value counts without groups
}

// CountResult is the number of selected connections. With By, Count is the sum of Groups and Other.
type CountResult struct {
	Count  uint64  // selected connections
	Total  int     // live connections, selected or not
	Groups []Group // with By: the largest groups, at most MaxGroups, in descending order; equal ones by value
	Other  uint64  // with By: connections in none of Groups
}

// Group is how many connections, Count, have a Value in common.
type Group = group.Group

// Count counts connections. It counts a connection that is live throughout exactly once, as it is when the count comes
// to it, and leaves out a connection that opens meanwhile. It holds no lock that a new connection needs while it
// examines connections. It counts at most 100,000 different values of By apart, the first ones that it meets; Other has
// the rest. The error is ctx's.
func (s *Server) Count(ctx context.Context, r CountRequest) (CountResult, error) {
	result, state := CountResult{Total: s.registry.Live()}, r.State.orLive()
	if r.Match == nil && r.By.read == nil && state == ListLive {
		result.Count = uint64(result.Total)
		return result, nil
	}
	groups := make(group.Counts)
	w := s.newScan(state, r.Match, 0, s.registry.Last(), 0, registry.ChunkSlots)
	for w.More() {
		if err := ctx.Err(); err != nil {
			return CountResult{}, err
		}
		w.Next(func(info *Connection) bool {
			result.Count++
			if r.By.read != nil {
				groups.Add(r.By.read(info))
			}
			return true
		})
	}
	if r.By.read != nil {
		result.Groups = groups.Largest()
		result.Other = result.Count
		for _, g := range result.Groups {
			result.Other -= g.Count
		}
	}
	return result, nil
}
