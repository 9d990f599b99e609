package cli

import (
	"testing"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestBudgetText(t *testing.T) {
	for want, b := range map[string]*pb.Budget{
		"32MiB of 64MiB (50 %), at most 40MiB, 8MiB only for admins, 7 refused, 2 gave way, token a: 32MiB": {Name: "calls",
			Limit: 64 << 20, Held: 32 << 20, Peak: 40 << 20, Reserve: 8 << 20, Refused: 7, Revoked: 2,
			Holders: []*pb.BudgetHolder{{Identity: "token a", Held: 32 << 20}}},
		"12B": {Name: "send_queues", Held: 12},
		"1.5s, a: 1s, b: 300ms, c: 100ms": {Name: "processor", Held: 1_500_000, Holders: []*pb.BudgetHolder{
			{Identity: "a", Held: 1_000_000}, {Identity: "b", Held: 300_000}, {Identity: "c", Held: 100_000},
			{Identity: "d", Held: 100_000}}},
		"3 of 1000 (0 %)": {Name: "event_streams", Held: 3, Limit: 1000},
	} {
		if got := budgetText(b); got != want {
			t.Errorf("got %q; expected %q", got, want)
		}
	}
}
