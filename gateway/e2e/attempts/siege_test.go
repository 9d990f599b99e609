//go:build linux

package attempts

import (
	"slices"
	"testing"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/attack"
	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/siege"
	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
	"github.com/sockgate/sockgate/gateway/e2e/internal/scale"
)

// mostMemory is by how much an attack may raise a gateway's memory, in bytes.
const mostMemory = 256 << 20

// TestUnderAttack makes each attack on a gateway of its own. The clients, an administrator and other callers are served
// meanwhile, the memory stays within its bound, no event is skipped in silence, and the gateway ends well afterwards.
// The attacks are smaller and shorter than the command's, with the most callers of each. They come one after the other,
// because each keeps the machine busy. One of each kind is made by default, and two more with LONG_TESTS=1. The
// command makes all of them.
func TestUnderAttack(t *testing.T) {
	binary := program.Build(t, program.Gateway)
	for _, a := range attack.All() {
		if !slices.Contains(ofEachKind(), a.Name) {
			continue
		}
		t.Run(a.Name, func(t *testing.T) { withstands(t, &a, slices.Max(a.Counts), binary) })
	}
}

// ofEachKind names attacks on the memory of requests and of answers, on the processors, and on the places.
func ofEachKind() []string {
	names := []string{"incomplete", "unread-list", "counts", "hog-calls"}
	if scale.Full() {
		names = append(names, "data-streams", "filters-refused")
	}
	return names
}

func withstands(t *testing.T, a *attack.Attack, callers int, binary string) {
	s := siege.Small(binary, t.TempDir())
	s.Await = true
	r, err := siege.Run(t.Context(), &s, a, callers)
	t.Log(r.Row())
	if err != nil {
		t.Fatal(err)
	}
	if r.Ended != nil {
		t.Error(r.Ended)
	}
	if over := r.Over(); over > mostMemory {
		t.Errorf("the gateway's memory rose by %d MiB; expected at most %d", over>>20, mostMemory>>20)
	}
	for _, p := range r.Attacked {
		if p.Echoes.Failed > 0 || p.Echoes.Done == 0 {
			t.Errorf("echoes: %s", p.Echoes)
		}
		for _, failed := range p.Failed() {
			t.Errorf("not served: %s", failed)
		}
		for _, fault := range p.Seen.Faults {
			t.Errorf("events: %s", fault)
		}
	}
}

// TestBooksOfKick and TestBooksOfShutdown count the bytes for clients that send and never read.
func TestBooksOfKick(t *testing.T) {
	t.Parallel()
	books, err := siege.KickBooks(t.Context(), program.Build(t, program.Gateway), t.TempDir(), scale.Of(4, 20))
	checkBooks(t, books, err)
}

func TestBooksOfShutdown(t *testing.T) {
	t.Parallel()
	books, err := siege.ShutdownBooks(t.Context(), program.Build(t, program.Gateway), t.TempDir(), scale.Of(20, 100))
	checkBooks(t, books, err)
}

func checkBooks(t *testing.T, books siege.Books, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if err := books.Check(); err != nil {
		t.Error(err)
	}
	if books.Accepted == 0 {
		t.Error("no byte was accepted")
	}
}
