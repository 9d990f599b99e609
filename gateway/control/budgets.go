package control

import (
	"cmp"
	"slices"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/internal/share"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// maxHolders is the most holders of a budget that an answer has.
const maxHolders = 10

// budgets describes what callers share. A caller that may only look is not told who holds it.
func (s *Service) budgets(info *server.GatewayInfo, c auth.Caller) []*pb.Budget {
	holders := maxHolders
	if !auth.Includes(c.Role, pb.Role_ROLE_OPERATOR) {
		holders = 0
	}
	all := []*pb.Budget{{Name: "send_queues", Limit: int64(info.Config.Limits.QueueBudget),
		Held: int64(info.Totals.QueuedBytes)},
		budget("event_streams", s.streams.Usage(holders)), s.processor(holders)}
	if s.memory != nil {
		all = append(all, budget("calls", s.memory.Usage(holders)), budget("lanes", s.lanes.Usage(holders)))
	}
	if l := s.listener.Load(); l != nil {
		all = append(all, budget("control_connections", l.Usage(holders)))
	}
	slices.SortFunc(all, func(a, b *pb.Budget) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return all
}

// budget describes a pool.
func budget(name string, u share.Usage) *pb.Budget {
	b := &pb.Budget{Name: name, Limit: u.Total, Reserve: u.Reserve, Held: u.Held, Peak: u.Peak, Refused: u.Refused,
		Revoked: u.Revoked}
	for _, p := range u.Parties {
		b.Holders = append(b.Holders, &pb.BudgetHolder{Identity: p.Key, Held: p.Held})
	}
	return b
}

// processor describes the processor time that callers' work has used, in microseconds.
func (s *Service) processor(holders int) *pb.Budget {
	used, _ := s.turns.Use()
	b := &pb.Budget{Name: "processor"}
	for party, d := range used {
		b.Held += d.Microseconds()
		b.Holders = append(b.Holders, &pb.BudgetHolder{Identity: party.Key, Held: d.Microseconds()})
	}
	slices.SortFunc(b.Holders, func(a, b *pb.BudgetHolder) int {
		return cmp.Or(cmp.Compare(b.GetHeld(), a.GetHeld()), cmp.Compare(a.GetIdentity(), b.GetIdentity()))
	})
	b.Holders = b.Holders[:min(holders, len(b.Holders))]
	return b
}
