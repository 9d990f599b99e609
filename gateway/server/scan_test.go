package server

import (
	"runtime"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// A connection that closes is on its way from the registry to the remembered ones: closed and only in the registry at first, then
// in both, then only remembered. A walk of all shows it exactly once at each of these moments.
func TestScanOfOneThatCloses(t *testing.T) {
	s, err := New(Config{Node: "test", Handler: echo{}, Listeners: []ListenerConfig{{Name: "main", Address: "127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	var conns []*Conn
	for range 5 {
		c := &Conn{owner: s.listeners[0], identity: &event.Identity{Origin: s.origin}}
		s.registry.reserve(0)
		s.registry.add(c)
		conns = append(conns, c)
	}
	expect := func(moment string, live, closed int) {
		t.Helper()
		for state, want := range map[ListState]int{ListLive: live, ListClosed: closed, ListAll: len(conns)} {
			page, err := s.List(t.Context(), ListRequest{Limit: 10, State: state})
			counted, _ := s.Count(t.Context(), CountRequest{State: state, Match: all{}})
			if err != nil || len(page.Connections) != want || int(counted.Count) != want {
				t.Errorf("%s: state %d has %d rows and counts %d, %v; expected %d", moment, state, len(page.Connections), counted.Count, err, want)
			}
		}
	}
	expect("before", 5, 0)
	conns[2].flags |= flagClosed
	expect("closed, and only in the registry", 4, 0)
	s.closed.add(conns[2].Info())
	expect("closed, and in both", 4, 1)
	s.registry.remove(3)
	expect("remembered", 4, 1)
}

type all struct{ Matcher }

func (all) MatchAt(*Info, time.Time) bool { return true }

// filled returns a registry with two full chunks of 20 connections each, and a third one.
func filled(t *testing.T) (*registry[*entry, entrySeq], *slots[*entry, entrySeq], *slots[*entry, entrySeq]) {
	t.Helper()
	r := &registry[*entry, entrySeq]{}
	for range 2*chunkSlots + 1 {
		r.reserve(0)
		r.add(newEntry())
	}
	left, right := r.chunks[0], r.chunks[1]
	for _, k := range []*slots[*entry, entrySeq]{left, right} { // not through remove, which would merge them
		k.conns = append(make([]*entry, 0, 20), k.conns[:20]...)
	}
	return r, left, right
}

// Who holds a chunk that is merged into another meanwhile looks again, and passes nothing by twice.
func TestRegistryMergeUnderAReader(t *testing.T) {
	r, left, right := filled(t)
	_, end := r.at(1)
	r.shrink(right)
	page, ok := left.copy(make([]*entry, 0, 100), 0, end)
	if !ok || len(page) != 20 {
		t.Errorf("%d connections up to %d, %v; expected 20: the others are of the chunk that was merged", len(page), end, ok)
	}
	if page, ok := right.copy(make([]*entry, 0, 100), 0, end); ok || len(page) != 0 {
		t.Errorf("%d connections of a chunk that is gone, %v", len(page), ok)
	}
	if page := r.page(0, make([]*entry, 0, 100)); len(page) != 41 {
		t.Errorf("%d connections; expected 41", len(page))
	}
}

// The same for one that waits for the chunk's lock while it is merged.
func TestRegistryMergeBeforeALock(t *testing.T) {
	for name, read := range map[string]func(r *registry[*entry, entrySeq], seq uint64) *entry{
		"get":  func(r *registry[*entry, entrySeq], seq uint64) *entry { return r.get(seq) },
		"page": func(r *registry[*entry, entrySeq], seq uint64) *entry { return r.page(seq-1, make([]*entry, 0, 1))[0] },
	} {
		r, left, right := filled(t)
		want := right.conns[10]
		right.mu.Lock()
		found := make(chan *entry)
		go func() { found <- read(r, want.seq) }()
		for range 1000 { // so that it comes to the lock
			runtime.Gosched()
		}
		r.mu.Lock()
		left.conns = append(left.conns, right.conns...)
		r.drop(1)
		r.mu.Unlock()
		right.mu.Unlock()
		if got := <-found; got != want {
			t.Errorf("%s found %v in a chunk that was merged", name, got)
		}
	}
}
