package exchange

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// Reasons why a message of another node was not used, or a message to it was not sent.
const (
	ignoredGarbage   = "not understood"
	ignoredPart      = "parts without those before them or twice"
	ignoredGivenUp   = "given up in parts"
	ignoredDuplicate = "twice"
	ignoredLate      = "too late"
	ignoredOverload  = "too many under way"
	ignoredLife      = "from another life"
	ignoredUnsent    = "could not be sent"
)

// ignored counts messages that were not used, by reason, so that the log gets at most one line a second about them. The
// zero value is ready for use. Its methods may be called from any goroutine.
type ignored struct {
	mu     sync.Mutex
	counts map[string]int
	node   string // sender of the newest one
}

// note counts a message of a node.
func (i *ignored) note(why, node string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.counts == nil {
		i.counts = make(map[string]int)
	}
	i.counts[why]++
	i.node = node
}

// tell logs the counts since the last call.
func (i *ignored) tell(log hclog.Logger) {
	i.mu.Lock()
	counts, node := i.counts, i.node
	i.counts = nil
	i.mu.Unlock()
	if len(counts) == 0 {
		return
	}
	var what []string
	for _, why := range slices.Sorted(maps.Keys(counts)) {
		what = append(what, fmt.Sprintf("%d %s", counts[why], why))
	}
	log.Warn("messages between nodes were not used or not sent", "what", strings.Join(what, ", "), "node", node)
}
