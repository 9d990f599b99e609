package registry

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// entry is the connection of the tests.
type entry struct{ seq uint64 }

type entrySeq struct{}

func (entrySeq) Seq(e *entry) *uint64 { return &e.seq }

func newEntry() *entry { return &entry{} }

// TestRegistryModel holds that the registry is an ordered map from seq to connection.
func TestRegistryModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Registry[*entry, entrySeq]
		model := make(map[uint64]*entry)
		limit := rapid.SampledFrom([]int{0, 10, 1000}).Draw(t, "limit")
		var newest uint64
		add := func() {
			ok := r.Reserve(limit)
			if ok != (limit == 0 || len(model) < limit) {
				t.Fatalf("reserve with %d of %d: %v", len(model), limit, ok)
			}
			if !ok {
				return
			}
			c := newEntry()
			r.Add(c)
			newest++
			if c.seq != newest {
				t.Fatalf("seq %d; expected %d", c.seq, newest)
			}
			model[newest] = c
		}
		remove := func(seq uint64) {
			delete(model, seq)
			if left := r.Remove(seq); left != len(model) {
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
				if r.Reserve(limit) {
					r.Release()
				}
			},
			"page": func(t *rapid.T) {
				after := rapid.Uint64Range(0, newest+300).Draw(t, "after")
				room := rapid.SampledFrom([]int{1, 5, 256, 257, 1000}).Draw(t, "room")
				var got, want []uint64
				for _, c := range r.Page(after, make([]*entry, 0, room)) {
					got = append(got, c.seq)
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
				r.Walk(func(c *entry) bool {
					got = append(got, c.seq)
					return true
				})
				if want := slices.Sorted(maps.Keys(model)); !slices.Equal(got, want) {
					t.Fatalf("walk: %v; expected %v", got, want)
				}
				for _, seq := range []uint64{0, 1, newest / 2, newest, newest + 1, 1 << 63} {
					if r.Get(seq) != model[seq] {
						t.Fatalf("get(%d) is wrong", seq)
					}
				}
				if r.Live() != len(model) || r.Last() != newest {
					t.Fatalf("%d live, newest %d; expected %d, %d", r.Live(), r.Last(), len(model), newest)
				}
				expectSmall(t, &r, len(model))
			},
		})
	})
}

// expectSmall checks that a registry is as large as its contents: an empty chunk is gone, and a sparse one has little
// room and no neighbour that it could be merged with.
func expectSmall(t interface{ Fatalf(string, ...any) }, r *Registry[*entry, entrySeq], live int) {
	room := 0
	for i, k := range r.chunks {
		last := i == len(r.chunks)-1
		if last {
			room += ChunkSlots
		}
		if k.full == last || len(k.conns) == 0 && !last || len(k.conns) > ChunkSlots {
			t.Fatalf("chunk %d of %d has %d connections, full: %v", i, len(r.chunks), len(k.conns), k.full)
		}
		room += cap(k.conns)
	}
	if most := 4*live + 2*ChunkSlots; room > most {
		t.Fatalf("room for %d in %d chunks with %d connections; expected at most %d", room, len(r.chunks), live, most)
	}
}

// TestRegistryAfterChurn holds that a registry with one of each 256 connections left uses under 64 bytes for it,
// whatever the order in which the others left.
func TestRegistryAfterChurn(t *testing.T) {
	const chunks = 300
	ascending := make([]uint64, 0, chunks*ChunkSlots)
	for seq := range uint64(chunks * ChunkSlots) {
		ascending = append(ascending, seq+1)
	}
	descending := slices.Clone(ascending)
	slices.Reverse(descending)
	random := slices.Clone(ascending)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(random), func(i, j int) { random[i], random[j] = random[j], random[i] })
	for name, order := range map[string][]uint64{"ascending": ascending, "descending": descending, "random": random} {
		var r Registry[*entry, entrySeq]
		for range order {
			r.Reserve(0)
			r.Add(newEntry())
		}
		for _, seq := range order {
			if seq%ChunkSlots != 7 {
				r.Remove(seq)
			}
		}
		bytes := int(unsafe.Sizeof(slots[*entry, entrySeq]{})+8) * len(r.chunks)
		for _, k := range r.chunks {
			bytes += 8 * cap(k.conns)
		}
		if left := r.Live(); left != chunks || bytes/left > 64 {
			t.Errorf("%s: %d are left, for which there are %d bytes each in %d chunks", name, left, bytes/left, len(r.chunks))
		}
	}
}

// TestRegistryConcurrentWalks holds that a walk visits a connection that lives throughout it exactly once, in order,
// while others come and go.
func TestRegistryConcurrentWalks(t *testing.T) {
	var r Registry[*entry, entrySeq]
	permanent := make(map[uint64]bool)
	var stop atomic.Bool
	var churning sync.WaitGroup
	for i := range 2000 {
		c := newEntry()
		r.Reserve(0)
		r.Add(c)
		if i%7 == 0 {
			permanent[c.seq] = true
		} else {
			r.Remove(c.seq)
		}
	}
	for range 3 {
		churning.Go(func() {
			var mine []uint64
			for !stop.Load() {
				c := newEntry()
				r.Reserve(0)
				r.Add(c)
				if r.Get(c.seq) != c {
					t.Error("what was just added is not there")
				}
				if mine = append(mine, c.seq); len(mine) > 300 {
					r.Remove(mine[0])
					mine = mine[1:]
				}
			}
			for _, seq := range mine {
				r.Remove(seq)
			}
		})
	}
	for range 200 {
		found, last := 0, uint64(0)
		r.Walk(func(c *entry) bool {
			if c.seq <= last {
				t.Errorf("%d behind %d", c.seq, last)
			}
			if last = c.seq; permanent[last] {
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
	if n := r.Live(); n != len(permanent) {
		t.Errorf("%d are left; expected %d", n, len(permanent))
	}
}
