package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// maxHoldersShown is the most holders of a budget in a row.
const maxHoldersShown = 3

// budgetRows describes what callers and connections share. An older gateway does not tell.
func budgetRows(s *app.Sections, budgets []*pb.Budget) {
	if len(budgets) == 0 {
		return
	}
	s.Title("Budgets")
	for _, b := range budgets {
		s.Row(strings.ReplaceAll(b.GetName(), "_", " "), budgetText(b))
	}
}

// budgetText says how much of a budget is used, how much was at most, and by which identities.
func budgetText(b *pb.Budget) string {
	amount := amountOf(b.GetName())
	parts := []string{amount(b.GetHeld())}
	if b.GetLimit() > 0 {
		parts[0] += fmt.Sprintf(" of %s (%d %%)", amount(b.GetLimit()), b.GetHeld()*100/b.GetLimit())
	}
	for _, part := range []struct {
		n    int64
		text string
	}{
		{b.GetPeak(), "at most " + amount(b.GetPeak())},
		{b.GetReserve(), amount(b.GetReserve()) + " only for admins"},
		{int64(b.GetRefused()), fmt.Sprintf("%d refused", b.GetRefused())},
		{int64(b.GetRevoked()), fmt.Sprintf("%d gave way", b.GetRevoked())},
	} {
		if part.n > 0 {
			parts = append(parts, part.text)
		}
	}
	for _, h := range b.GetHolders()[:min(maxHoldersShown, len(b.GetHolders()))] {
		parts = append(parts, fmt.Sprintf("%s: %s", h.GetIdentity(), amount(h.GetHeld())))
	}
	return strings.Join(parts, ", ")
}

// amountOf returns how amounts of a budget are written: as bytes, as processor time, or as a count.
func amountOf(name string) func(int64) string {
	switch name {
	case "calls", "send_queues":
		return func(n int64) string { return units.HumanBytes(uint64(max(0, n))) }
	case "processor":
		return func(n int64) string { return (time.Duration(n) * time.Microsecond).Round(time.Millisecond).String() }
	}
	return func(n int64) string { return fmt.Sprint(n) }
}
