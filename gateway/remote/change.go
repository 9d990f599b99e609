package remote

import (
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// commandCost is what a command counts for in bytes, beside what it carries.
const commandCost = 64

// change is what a command will do to a connection. Its owner has a lock around it.
type change struct {
	data []byte
	rare *pb.Command // all but connection, data and acknowledged; nil for most
}

func (g *change) empty() bool { return len(g.data) == 0 && g.rare == nil }

// cost returns about how many bytes the command will have.
func (g *change) cost() int {
	if g.rare == nil {
		return commandCost + len(g.data)
	}
	return commandCost + len(g.data) + proto.Size(g.rare)
}

// more returns the rare part, and makes it at the first call.
func (g *change) more() *pb.Command {
	if g.rare == nil {
		g.rare = &pb.Command{}
	}
	return g.rare
}

// full reports whether no change should be added, because the command would remove too many labels.
func (g *change) full() bool { return g.rare != nil && len(g.rare.RemoveLabels) > MaxLabels }

func (g *change) setLabel(key, value string) {
	r := g.more()
	if r.SetLabels == nil {
		r.SetLabels = make(map[string]string)
	}
	r.SetLabels[key] = value
}

// removeLabel undoes a setLabel of the same change too, because a command removes labels before it sets any.
func (g *change) removeLabel(key string) {
	r := g.more()
	delete(r.SetLabels, key)
	if !slices.Contains(r.RemoveLabels, key) {
		r.RemoveLabels = append(r.RemoveLabels, key)
	}
}

func (g *change) close(text string, reset bool) {
	g.more().Close = &pb.Close{Text: event.ShortText(text), Reset_: reset}
}

// add makes next a part of g, as if both had been one change from the start.
func (g *change) add(next *change) {
	g.data = append(g.data, next.data...)
	n := next.rare
	if n == nil {
		return
	}
	r := g.more()
	for _, key := range n.RemoveLabels {
		g.removeLabel(key)
	}
	if r.SetLabels == nil {
		r.SetLabels = n.SetLabels
	} else {
		maps.Copy(r.SetLabels, n.SetLabels)
	}
	g.replace(n)
}

// replace takes over the fields whose last value counts.
func (g *change) replace(n *pb.Command) {
	r := g.rare
	if n.State != nil {
		r.State = n.State
	}
	if n.IdleTimeout != nil {
		r.IdleTimeout = n.IdleTimeout
	}
	if n.NotifyIdle != nil {
		r.NotifyIdle = n.NotifyIdle
	}
	if n.Close != nil {
		r.Close = n.Close
	}
	if n.MoveTo != "" {
		r.MoveTo = n.MoveTo
	}
}
