package server

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/event"
)

func newEntry() *Conn { return &Conn{identity: &event.Identity{}} }

// The registry is a map from seq to connection, in order.
func TestRegistryModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r registry
		model := make(map[uint64]*Conn)
		limit := rapid.SampledFrom([]int{0, 10, 1000}).Draw(t, "limit")
		var newest uint64
		add := func() {
			ok := r.reserve(limit)
			if ok != (limit == 0 || len(model) < limit) {
				t.Fatalf("reserve with %d of %d: %v", len(model), limit, ok)
			}
			if !ok {
				return
			}
			c := newEntry()
			r.add(c)
			newest++
			if c.identity.Seq != newest {
				t.Fatalf("seq %d; expected %d", c.identity.Seq, newest)
			}
			model[newest] = c
		}
		remove := func(seq uint64) {
			delete(model, seq)
			if left := r.remove(seq); left != int64(len(model)) {
				t.Fatalf("remove: %d left; expected %d", left, len(model))
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				for range rapid.SampledFrom([]int{1, 2, 254, 255, 256, 600}).Draw(t, "n") {
					add()
				}
			},
			"remove": func(t *rapid.T) {
				if len(model) > 0 {
					remove(rapid.SampledFrom(slices.Sorted(maps.Keys(model))).Draw(t, "seq"))
				}
			},
			"remove a stretch": func(t *rapid.T) {
				from := rapid.Uint64Range(0, newest).Draw(t, "from")
				for _, seq := range slices.Sorted(maps.Keys(model)) {
					if seq >= from && seq < from+700 {
						remove(seq)
					}
				}
			},
			"reserve and release": func(*rapid.T) {
				if r.reserve(limit) {
					r.release()
				}
			},
			"page": func(t *rapid.T) {
				after := rapid.Uint64Range(0, newest+300).Draw(t, "after")
				room := rapid.SampledFrom([]int{1, 5, 256, 257, 1000}).Draw(t, "room")
				var got, want []uint64
				for _, c := range r.page(after, make([]*Conn, 0, room)) {
					got = append(got, c.identity.Seq)
				}
				for _, seq := range slices.Sorted(maps.Keys(model)) {
					if seq > after && len(want) < room {
						want = append(want, seq)
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("page behind %d: %v; expected %v", after, got, want)
				}
			},
			"": func(t *rapid.T) {
				var got []uint64
				r.walk(func(c *Conn) bool {
					got = append(got, c.identity.Seq)
					return true
				})
				if want := slices.Sorted(maps.Keys(model)); !slices.Equal(got, want) {
					t.Fatalf("walk: %v; expected %v", got, want)
				}
				for _, seq := range []uint64{0, 1, newest / 2, newest, newest + 1, 1 << 63} {
					if r.get(seq) != model[seq] {
						t.Fatalf("get(%d) is wrong", seq)
					}
				}
				if int(r.live.Load()) != len(model) || r.last() != newest {
					t.Fatalf("%d live, newest %d; expected %d, %d", r.live.Load(), r.last(), len(model), newest)
				}
				if most := len(model) + 1; len(r.chunks) > most {
					t.Fatalf("%d chunks for %d connections", len(r.chunks), len(model))
				}
			},
		})
	})
}

// A walk sees what lives throughout it exactly once, in order, while others come and go.
func TestRegistryConcurrentWalks(t *testing.T) {
	var r registry
	permanent := make(map[uint64]bool)
	var stop atomic.Bool
	var churning sync.WaitGroup
	for i := range 2000 {
		c := newEntry()
		r.reserve(0)
		r.add(c)
		if i%7 == 0 {
			permanent[c.identity.Seq] = true
		} else {
			r.remove(c.identity.Seq)
		}
	}
	for range 3 {
		churning.Go(func() {
			var mine []uint64
			for !stop.Load() {
				c := newEntry()
				r.reserve(0)
				r.add(c)
				if r.get(c.identity.Seq) != c {
					t.Error("what was just added is not there")
				}
				if mine = append(mine, c.identity.Seq); len(mine) > 300 {
					r.remove(mine[0])
					mine = mine[1:]
				}
			}
			for _, seq := range mine {
				r.remove(seq)
			}
		})
	}
	for range 200 {
		found, last := 0, uint64(0)
		r.walk(func(c *Conn) bool {
			if c.identity.Seq <= last {
				t.Errorf("%d behind %d", c.identity.Seq, last)
			}
			if last = c.identity.Seq; permanent[last] {
				found++
			}
			return true
		})
		if found != len(permanent) {
			t.Errorf("a walk found %d of %d", found, len(permanent))
		}
	}
	stop.Store(true)
	churning.Wait()
	if n := int(r.live.Load()); n != len(permanent) {
		t.Errorf("%d are left; expected %d", n, len(permanent))
	}
}
