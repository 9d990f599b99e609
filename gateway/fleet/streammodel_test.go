package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// step is something that happens in the model test.
type step struct {
	what string
	node string
	n    int
}

// String describes the step in a few words.
func (s step) String() string { return fmt.Sprintf("%s %s %d", s.what, s.node, s.n) }

// stepsOf are the possible steps. The usual ones come more often.
var stepsOf = []string{"append", "append", "append", "append", "append", "pass", "pass", "break", "cut", "heal",
	"restart", "leave", "forget",
	"stall", "take", "resume", "resume"}

// reader follows a world, and resumes after the last response at any of its nodes.
type reader struct {
	StreamCheck
	world  *world
	heads  map[event.Origin]uint64 // last sequences of lives that ended in an orderly way, or were forgotten
	call   *StreamCall
	failed string
	paused bool
}

func newReader(w *world) *reader {
	r := &reader{world: w, heads: make(map[event.Origin]uint64)}
	r.Told = make(map[string]event.Cursor)
	r.Over = func(life event.Origin) (uint64, bool) {
		head, ok := r.heads[life]
		return head, ok
	}
	r.Left = func(name string, told event.Cursor) string {
		p := w.at(name)
		there := p.known && p.member.State != pb.NodeState_NODE_STATE_LEFT
		if told.Origin == p.member.Origin && (there || told.Sequence < p.member.Head) {
			return fmt.Sprintf("%s has left the cursor, told up to %v of %d, known %t, %s", name, told, p.member.Head, p.known,
				p.member.State)
		}
		return ""
	}
	return r
}

// TestStreamModel checks, for any fate of the nodes and any place of resuming, that the sequences and the GAPs of each
// life of each node are in order and dense. A new life follows a GAP that announces it. In the end everything was told.
func TestStreamModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		script := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.SampledFrom(stepsOf).Draw(t, "what"), rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "node"),
				rapid.SampledFrom([]int{1, 2, 3, 50, 300}).Draw(t, "n")}
		}), 1, 40).Draw(r, "script")
		failed := ""
		synctest.Test(t, func(t *testing.T) { failed = play(t, script) })
		if failed != "" {
			r.Fatal(failed)
		}
	})
}

// play runs a script and returns an error text, or "".
func play(t *testing.T, script []step) string {
	w := newWorld("a", "b", "c")
	r := newReader(w)
	at := "a" // the node that the reader asks
	r.open(w.at(at))
	defer func() { r.call.HangUp() }()
	for _, s := range script {
		p := w.at(s.node)
		switch s.what {
		case "append":
			p.append(s.n)
		case "pass":
			time.Sleep(time.Duration(s.n) * 100 * time.Millisecond)
		case "break":
			p.drop(pb.NodeStatus_NODE_STATUS_TIMED_OUT)
		case "cut":
			if p.member.State != pb.NodeState_NODE_STATE_LEFT {
				p.state(pb.NodeState_NODE_STATE_UNREACHABLE)
			}
		case "heal":
			p.heal()
		case "restart":
			if s.node == at { // the stream ends with its node
				at = r.move(at)
			}
			p.restart()
		case "leave":
			if s.node == at {
				at = r.move(at)
			}
			if p.member.Asked() {
				p.leave()
				r.heads[p.member.Origin] = p.member.Head
			}
		case "forget":
			if s.node != at && !p.member.Asked() {
				p.forget(true)
				r.heads[p.member.Origin] = p.member.Head
			}
		case "stall":
			r.paused = true
		case "take":
			r.paused = false
		case "resume":
			at = r.move(at)
		}
		if !r.take() {
			return fmt.Sprintf("after %s: %s", s, r.failed)
		}
	}
	return r.finish()
}

// heal ends a cut. A node that was forgotten comes back, and a node that has left comes back in its next life.
func (p *place) heal() {
	switch {
	case p.member.State == pb.NodeState_NODE_STATE_LEFT:
		p.restart()
	case !p.known:
		p.restart()
	default:
		p.state(pb.NodeState_NODE_STATE_LIVE)
		p.beat()
	}
}

func (r *reader) open(p *place) {
	after := r.After
	if after == "" {
		after = "0"
	}
	r.call = CallStream(p.node, &pb.StreamEventsRequest{After: after})
}

// close hangs up and waits for the end of the call.
func (r *reader) close() {
	r.call.HangUp()
	if err := <-r.call.Result; err != nil && !errors.Is(err, context.Canceled) {
		r.failed = fmt.Sprintf("the call ended with %v", err)
	}
}

// move goes on at the next node that is there.
func (r *reader) move(from string) string {
	r.close()
	names := []string{"a", "b", "c"}
	next := names[(slices.Index(names, from)+1)%3]
	if p := r.world.at(next); !p.known || p.member.State == pb.NodeState_NODE_STATE_LEFT {
		p.restart()
	}
	r.world.at(next).heal()
	r.open(r.world.at(next))
	return next
}

// take takes the responses that there are now, unless the reader stalls.
func (r *reader) take() bool {
	synctest.Wait() // in a fleet, seconds lie between the changes that the legs have to see
	for r.failed == "" && !r.paused {
		synctest.Wait()
		select {
		case response := <-r.call.Sent:
			r.failed = r.Response(response)
			continue
		default:
		}
		break
	}
	return r.failed == ""
}

// finish heals everything and waits until everything was told.
func (r *reader) finish() string {
	r.paused = false
	for _, p := range r.world.places {
		if p.known && !p.member.Asked() && p.member.State != pb.NodeState_NODE_STATE_LEFT {
			p.heal()
		}
		if p.known && p.member.Asked() {
			p.append(1)
		}
	}
	for range 300 {
		if !r.take() {
			return r.failed
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.close()
	for _, p := range r.world.places {
		at, has := r.Told[p.name]
		if here := p.known && p.member.Asked(); here && at != p.log.Head() {
			return fmt.Sprintf("%s was told up to %v; expected %v; at %s", p.name, at, p.log.Head(), r.After)
			// The entry of a node that was unknown when the stream began stays.
		} else if p.known && !here && has && at.Incarnation != "gone" {
			return fmt.Sprintf("%s has gone, and is still at %v", p.name, at)
		}
	}
	return r.failed
}
