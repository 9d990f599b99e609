//go:build linux

package fleet

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// observation is a value that a test saw and that the report has.
type observation struct{ scenario, what, value string }

// notebook collects observations. Its methods may be called from any goroutine.
type notebook struct {
	mu   sync.Mutex
	kept []observation
}

var observations notebook

// observe logs a value and keeps it for the report.
func observe(t testing.TB, what string, value any) {
	t.Helper()
	if d, ok := value.(time.Duration); ok {
		value = d.Round(100 * time.Microsecond)
		if d > time.Second {
			value = d.Round(10 * time.Millisecond)
		}
	}
	t.Logf("%s: %v", what, value)
	observations.mu.Lock()
	defer observations.mu.Unlock()
	observations.kept = append(observations.kept, observation{t.Name(), what, fmt.Sprint(value)})
}

// write writes the report; an empty path writes none.
func (n *notebook) write(path string) error {
	if path == "" {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	slices.SortStableFunc(n.kept, func(a, b observation) int { return strings.Compare(a.scenario, b.scenario) })
	var b strings.Builder
	b.WriteString("| scenario | observed | value |\n|---|---|---|\n")
	for _, o := range n.kept {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.TrimPrefix(o.scenario, "Test"), o.what, o.value)
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}
