package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// drainWait waits for the drains of nodes of a fleet.
type drainWait struct {
	app    *app.App
	client *app.Client
	left   map[string]bool // nodes whose drains have not ended
	lost   bool            // how a drain went is not known
	asked  time.Time
}

// newDrainWait awaits the nodes that have answered that they drain.
func newDrainWait(a *app.App, c *app.Client, f *pb.FleetResult) *drainWait {
	d := &drainWait{app: a, client: c, left: map[string]bool{}, asked: a.Env.Now()}
	for _, n := range f.GetNodes() {
		if n.GetStatus() == pb.NodeStatus_NODE_STATUS_OK {
			d.left[n.GetNode()] = true
		}
	}
	return d
}

// nodes are the awaited nodes, in the order of their names.
func (d *drainWait) nodes() []string { return slices.Sorted(maps.Keys(d.left)) }

// see takes a batch of events. A node whose last events are lost has gone for good: its drain has ended too.
func (d *drainWait) see(batch []*pb.Event) {
	for _, e := range batch {
		lost := e.GetGap().GetReason() == pb.GapReason_GAP_REASON_NODE_LOST
		if e.GetType() == pb.EventType_EVENT_TYPE_DRAIN_ENDED || lost {
			delete(d.left, e.GetNode())
		}
	}
}

// ended reports whether all drains have ended, those of unreachable nodes included.
func (d *drainWait) ended(ctx context.Context, _ string) (bool, error) {
	if len(d.left) == 0 || d.app.Env.Now().Sub(d.asked) < app.AskAfter {
		return len(d.left) == 0, nil
	}
	states, err := d.app.NodeStates(ctx, d.client)
	if err != nil {
		return false, err
	}
	d.asked = d.app.Env.Now()
	for _, name := range d.nodes() {
		switch state, known := states[name]; {
		case !known, state == pb.NodeState_NODE_STATE_LEFT: // it has ended
			delete(d.left, name)
		case state == pb.NodeState_NODE_STATE_UNREACHABLE:
			d.app.Say("%s is UNREACHABLE; how its drain went is not known", name)
			d.lost = true
			delete(d.left, name)
		}
	}
	return len(d.left) == 0, nil
}

// sayUnseen names the nodes that had not ended when the asked gateway ended.
func (d *drainWait) sayUnseen() {
	if len(d.left) > 0 {
		d.app.Say("the gateway that was asked has ended; the end of these drains was not seen: %s",
			strings.Join(d.nodes(), ", "))
	}
}
