package app

import (
	"context"
	"slices"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// AskAfter is how often ctl asks for the state of nodes whose events it awaits.
	AskAfter = 2 * time.Second
	// giveUpAfter is how long a reachable node may send no event: three times as long as a stream may be silent.
	giveUpAfter = 15 * time.Second
)

// Finish ends a stream that has delivered everything up to a position of each node, except of nodes that cannot
// deliver it any more.
type Finish struct {
	app    *App
	client *Client
	fleet  bool
	left   positions // of the nodes that are awaited
	Lost   bool      // some node was given up, and named on stderr

	asked time.Time
	moved map[string]progress // by node
}

// progress is how far a node's events have come, and since when.
type progress struct {
	at    Position
	since time.Time
}

// NewFinish makes the finish of a stream that is to end at m. It does not wait for nodes that did not say where they
// are.
func (a *App) NewFinish(c *Client, m *Moment) (*Finish, error) {
	end, err := parsePositions(m.Cursor)
	if err != nil {
		return nil, err
	}
	end = slices.DeleteFunc(end, func(p *Position) bool { return m.Absent.Known[p.node] })
	return &Finish{app: a, client: c, fleet: m.fleet, left: end, asked: a.Env.Now(), moved: map[string]progress{}}, nil
}

// ReachedBy reports whether a stream at cursor is at the end.
func (f *Finish) ReachedBy(ctx context.Context, cursor string) (bool, error) {
	f.left = slices.DeleteFunc(f.left, func(p *Position) bool { return p.ReachedBy(cursor) })
	if len(f.left) == 0 || !f.fleet {
		return len(f.left) == 0, nil
	}
	for _, p := range f.left {
		f.follow(p.node, cursor)
	}
	if f.app.Env.Now().Sub(f.asked) < AskAfter {
		return false, nil
	}
	states, err := f.app.NodeStates(ctx, f.client)
	if err != nil {
		return false, err
	}
	f.asked = f.app.Env.Now()
	f.left = slices.DeleteFunc(f.left, func(p *Position) bool { return f.givesUp(p, states) })
	return len(f.left) == 0, nil
}

// follow notes how far a node's events have come.
func (f *Finish) follow(node, cursor string) {
	var at Position
	if p := positionOf(node, cursor); p != nil {
		at = *p
	}
	if before, known := f.moved[node]; !known || before.at != at {
		f.moved[node] = progress{at: at, since: f.app.Env.Now()}
	}
}

// givesUp reports whether to wait no longer for a node, and names it on stderr then.
func (f *Finish) givesUp(p *Position, states map[string]pb.NodeState) bool {
	state, known := states[p.node]
	why := ""
	switch silent := f.app.Env.Now().Sub(f.moved[p.node].since); {
	case !known:
		why = "it is not known any more"
	case state == pb.NodeState_NODE_STATE_UNREACHABLE, state == pb.NodeState_NODE_STATE_LEFT:
		why = "it is " + NodeStateText(state)
	case silent >= giveUpAfter:
		why = "nothing came of it for " + units.HumanDuration(silent)
	default:
		return false
	}
	f.Lost = true
	f.app.Say("%s did not deliver its events up to %d: %s", p.node, p.Sequence, why)
	return true
}

// NodeStates returns the nodes' states as the gateway knows them; it asks no other node.
func (a *App) NodeStates(ctx context.Context, c *Client) (map[string]pb.NodeState, error) {
	nodes, err := KnownNodes(ctx, c)
	states := map[string]pb.NodeState{}
	for _, n := range nodes {
		states[n.GetName()] = n.GetState()
	}
	return states, err
}
