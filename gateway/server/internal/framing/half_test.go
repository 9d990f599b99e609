package framing_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/frame"
	"github.com/sockgate/sockgate/gateway/server/internal/framing"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// owner records when a half frame was late.
type owner struct {
	clock transport.Clock
	mu    sync.Mutex // as the connection's lock
	late  []transport.Moment
}

func (o *owner) HalfExpired(h *framing.Half) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if h.Expired(o.clock.Now()) {
		o.late = append(o.late, o.clock.Now())
	}
}

func rules(t *testing.T, whole bool) *framing.Rules {
	f, err := frame.Parse("length:1,strip=1")
	if err != nil {
		t.Fatal(err)
	}
	return &framing.Rules{Format: f, Limit: 100, Timeout: 10 * time.Second, Whole: whole}
}

// TestFeed holds that frames come whole or not as the rules say, and that memory is told of once.
func TestFeed(t *testing.T) {
	for _, whole := range []bool{false, true} {
		h := framing.Take(rules(t, whole), 7)
		var got []string
		each := func(p []byte) { got = append(got, string(p)) }
		h.Feed([]byte("\x01a\x00\x02b"), each)
		grown := h.Grown()
		if h.Position() != 10 || grown < 2 || h.Grown() != 0 || h.Memory() != grown {
			t.Errorf("frames up to %d, %d bytes of memory", h.Position(), grown)
		}
		h.Feed([]byte("c"), each)
		want := []string{"a", "", "bc"}
		if whole {
			want = []string{"\x01a", "\x00", "\x02bc"}
		}
		if !slices.Equal(got, want) || h.Grown() != -grown || h.Fault != nil {
			t.Errorf("whole %v: %q, %v; expected %q", whole, got, h.Fault, want)
		}
		h.Feed([]byte("\xff"), each)
		if h.Fault == nil || !strings.Contains(h.Fault.Error(), "at byte 13") {
			t.Errorf("%v; expected a fault at byte 13", h.Fault)
		}
		h.Give()
	}
}

// TestClock holds that the time of a half frame is the time that its peer was read from, and that its call comes once.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &owner{clock: transport.NewClock()}
		h := framing.Take(rules(t, false), 0)
		sleep := func(d time.Duration) {
			o.mu.Unlock()
			time.Sleep(d)
			synctest.Wait()
			o.mu.Lock()
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		h.Feed([]byte("\x05ab"), nil)
		h.Await(o, o.clock.Now(), true)
		sleep(6 * time.Second)
		h.Rest(o.clock.Now())
		h.Rest(o.clock.Now())
		sleep(time.Hour)
		h.Run(o.clock.Now())
		h.Await(o, o.clock.Now(), true)
		if sleep(3999 * time.Millisecond); len(o.late) != 0 {
			t.Errorf("late at %v", o.late)
		}
		sleep(time.Hour)
		if len(o.late) != 1 || o.late[0] != transport.Moment(time.Hour+10*time.Second) {
			t.Errorf("late at %v; expected it once, when it had waited for 10 s", o.late)
		}
		if text := h.Late(3); !strings.Contains(text, "at byte 0: 3 bytes of it came, and not the rest within 10s") {
			t.Errorf("%q", text)
		}
		h.Give()
	})
}
