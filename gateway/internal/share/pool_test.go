package share

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func take(t *testing.T, p *Pool, key string, n int64) *Hold {
	t.Helper()
	h, err := p.Take(Party{Key: key}, n, func() {})
	if err != nil {
		t.Fatalf("Take(%s, %d): %v; %+v", key, n, err, p.Usage(9))
	}
	return h
}

// fill takes holds of one until the party gets no more, and returns how many it got.
func fill(p *Pool, party Party) (n int64) {
	for {
		if _, err := p.Take(party, 1, func() {}); err != nil {
			return n
		}
		n++
	}
}

// TestSharesShrink checks that each further identity gets as much as those before it, whatever they hold already.
func TestSharesShrink(t *testing.T) {
	p := New(720, 0)
	if n := fill(p, Party{Key: "0"}); n != 360 {
		t.Errorf("an identity alone got %d; expected half of 720", n)
	}
	for i := 1; i < 6; i++ {
		want := int64(720 / (i + 2))
		if n := fill(p, Party{Key: fmt.Sprint(i)}); n != want {
			t.Errorf("identity %d got %d; expected %d", i, n, want)
		}
	}
	if u := p.Usage(9); u.Held > 720 {
		t.Errorf("held %d of 720", u.Held)
	}
}

// TestSmallHoldersCountLittle checks that many identities that hold little leave the rest to one that wants much.
func TestSmallHoldersCountLittle(t *testing.T) {
	p := New(1000, 0)
	for i := range 100 {
		take(t, p, fmt.Sprint(i), 1)
	}
	if n := fill(p, Party{Key: "large"}); n != 450 {
		t.Errorf("got %d; expected half of the 900 that are left", n)
	}
}

// TestReserve checks that ordinary identities cannot take the reserve, and that an administrator gets it at once.
func TestReserve(t *testing.T) {
	p := New(800, 100)
	for i := range 50 {
		fill(p, Party{Key: fmt.Sprint(i)})
	}
	if u := p.Usage(0); u.Held > 700 {
		t.Errorf("ordinary identities hold %d of 800 with a reserve of 100", u.Held)
	}
	if n := fill(p, Party{Key: "admin", Reserve: true}); n < 100 {
		t.Errorf("an administrator got %d; expected at least the reserve", n)
	}
}

// TestStalledGivesWay checks that holds that wait for their client make room for the same identity's next ones, and
// that no other hold of it does.
func TestStalledGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(100, 0)
		var gone []string
		held := make(map[string]*Hold)
		for _, name := range []string{"busy", "stalled", "later"} {
			h, err := p.Take(Party{Key: "a"}, 15, func() { gone = append(gone, name) })
			if err != nil {
				t.Fatal(err)
			}
			held[name] = h
		}
		held["stalled"].Wait(true)
		if _, err := p.Take(Party{Key: "a"}, 15, nil); !errors.Is(err, ErrShare) {
			t.Errorf("at once: %v; expected ErrShare", err)
		}
		time.Sleep(Patience + 1)
		held["later"].Wait(true)
		take(t, p, "a", 15)
		if fmt.Sprint(gone) != "[stalled]" {
			t.Errorf("%v gave way; expected the stalled one", gone)
		}
		held["stalled"].Release() // does nothing
		if _, err := p.Take(Party{Key: "a"}, 15, nil); !errors.Is(err, ErrShare) {
			t.Errorf("%v; expected ErrShare, because no other hold has waited long enough", err)
		}
	})
}

// TestAwait checks that requests of one identity are served in their order as room comes, that a stalled hold makes
// room without a release, and that a request ends with its context.
func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(100, 0)
		first := take(t, p, "a", 40)
		small := take(t, p, "a", 1)
		var order []string
		for _, name := range []string{"one", "two"} {
			go func() {
				if err := small.Await(t.Context(), 20); err != nil {
					t.Error(err)
				}
				order = append(order, name)
			}()
			synctest.Wait()
		}
		first.Resize(10)
		synctest.Wait()
		if fmt.Sprint(order) != "[one]" {
			t.Errorf("%v got room; expected the first alone", order)
		}
		first.Wait(true)
		time.Sleep(2 * Patience)
		synctest.Wait()
		if fmt.Sprint(order) != "[one two]" {
			t.Errorf("%v got room; expected both, because the first hold has stalled", order)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := small.Await(ctx, 20); !errors.Is(err, ErrShare) {
			t.Errorf("%v; expected ErrShare when the time is over", err)
		}
		small.Release()
		if u := p.Usage(9); u.Held != 0 || len(p.queued) != 0 {
			t.Errorf("%+v, %d queues left", u, len(p.queued))
		}
	})
}

// TestPoolModel checks for random parties that the pool is never over its total, that ordinary ones stay out of the
// reserve, that a party below its fair share is never refused for want of its share, and that the books end at zero.
func TestPoolModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.Int64Range(10, 1000).Draw(t, "total")
		reserve := rapid.Int64Range(0, total/4).Draw(t, "reserve")
		p := New(total, reserve)
		var holds []*Hold
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				key := rapid.IntRange(0, 5).Draw(t, "key")
				h, err := p.Take(Party{Key: fmt.Sprint(key), Reserve: key == 0}, rapid.Int64Range(1, 50).Draw(t, "n"),
					func() {})
				if err == nil {
					holds = append(holds, h)
				}
			},
			"release": func(t *rapid.T) {
				if len(holds) == 0 {
					return
				}
				i := rapid.IntRange(0, len(holds)-1).Draw(t, "which")
				holds[i].Release()
				holds = append(holds[:i], holds[i+1:]...)
			},
			"shrink": func(t *rapid.T) {
				if len(holds) > 0 {
					h := holds[rapid.IntRange(0, len(holds)-1).Draw(t, "which")]
					h.Resize(h.size / 2)
				}
			},
			"": func(t *rapid.T) {
				var sum, common int64
				for _, u := range p.Usage(99).Parties {
					sum += u.Held
					if !u.Reserve {
						common += u.Held
					}
				}
				if u := p.Usage(0); sum != u.Held || sum > total || common > total-reserve {
					t.Fatalf("parties hold %d, ordinary ones %d, the pool says %d of %d with a reserve of %d", sum, common,
						u.Held, total, reserve)
				}
			},
		})
		for _, h := range holds {
			h.Release()
		}
		if u := p.Usage(9); u.Held != 0 || len(u.Parties) != 0 {
			t.Fatalf("%+v after every release", u)
		}
	})
}
