package fleet_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/bus"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/fleet/fleettest"
)

// diary is a bus that records the acts of its node in order, by the kind of subject: `+ask`, `-ask` and `beat`.
type diary struct {
	bus.Bus
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(sign, subject string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, sign+strings.Split(subject, ".")[2])
}

// read returns the lines, each once, at its first or its last place.
func (d *diary) read(last bool) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	lines := slices.Clone(d.lines)
	if last {
		slices.Reverse(lines)
	}
	var once []string
	for _, line := range lines {
		if !slices.Contains(once, line) {
			once = append(once, line)
		}
	}
	if last {
		slices.Reverse(once)
	}
	return once
}

func (d *diary) Publish(subject string, data []byte) error {
	d.note("", subject)
	return d.Bus.Publish(subject, data)
}

func (d *diary) Subscribe(subject string, deliver func(string, []byte)) (func(), error) {
	d.note("+", subject)
	unsubscribe, err := d.Bus.Subscribe(subject, deliver)
	return func() { d.note("-", subject); unsubscribe() }, err
}

// TestNodeAnswersWhileItIsThere checks that a node can be asked before others hear of it. It has answered every
// request, or refused it, before they hear that it leaves.
func TestNodeAnswersWhileItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		var d diary
		a := joinNode(t, loop, "a", "100", func(bus bus.Bus) bus.Bus { d.Bus = bus; return &d })
		time.Sleep(time.Minute)
		lines := d.read(false)
		if asked, said := slices.Index(lines, "+ask"), slices.Index(lines, "beat"); asked < 0 || said < asked ||
			slices.Index(lines, "hello") > asked {
			t.Errorf("a did %v; expected Hello, that it listens to what is asked, and only then a heartbeat", lines)
		}
		a.Leave()
		lines = d.read(true)
		if asked, said := slices.Index(lines, "-ask"), slices.Index(lines, "beat"); asked < 0 || said < asked {
			t.Errorf("a did %v; expected that it says that it leaves when nothing can be asked any more", lines)
		}
		for _, kind := range []string{"hello", "beat", "ask", "answer"} {
			if !slices.Contains(lines, "-"+kind) {
				t.Errorf("a still hears %s", kind)
			}
		}
	})
}

// TestNodeIsNotAskedBesideTwin checks that a node that is displaced, or refuses to start, is not asked.
func TestNodeIsNotAskedBesideTwin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := fleettest.NewLoopback()
		var older, late diary
		joinNode(t, loop, "a", "100", func(bus bus.Bus) bus.Bus { older.Bus = bus; return &older })
		loop.Cut(place("a", "100"), place("a", "101"), true)
		joinNode(t, loop, "a", "101")
		loop.Cut(place("a", "100"), place("a", "101"), false)
		time.Sleep(5 * time.Second)
		if lines := older.read(false); !slices.Contains(lines, "-ask") || !slices.Contains(lines, "-answer") ||
			!slices.Contains(lines, "-beat") {
			t.Errorf("the one that was displaced did %v; expected that it hears nothing any more", lines)
		}
		err := newNode(t, loop, "a", "102", func(bus bus.Bus) bus.Bus { late.Bus = bus; return &late }).Join(t.Context())
		if twin, ok := errors.AsType[*fleet.TwinError](err); !ok || *twin != (fleet.TwinError{Node: "a", Incarnation: "101",
			Fleet: "test"}) {
			t.Errorf("Join returned %v; expected the twin 101", err)
		}
		if lines := late.read(false); slices.Contains(lines, "beat") || !slices.Contains(lines, "-beat") {
			t.Errorf("the one that did not start did %v", lines)
		}
	})
}
