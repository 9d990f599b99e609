package fair_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/server/internal/fair"
)

// patience is that of the model's places.
const patience = 10 * time.Second

// place is a place of the model.
type place struct {
	*fair.Place[string, int]
	key   string
	began time.Duration
	idle  bool
}

// model has the places that should be taken, the oldest first, and the newcomers that should wait.
type model struct {
	*rapid.T
	places  fair.Places[string, int]
	now     time.Duration
	n       int
	taken   []*place
	waiting []*place
	gone    []*place
}

// keys are the groups; "" has no share.
var keys = []string{"a", "b", "c", "d", ""}

// held returns how many places a group has.
func (m *model) held(key string) (n int) {
	for _, p := range m.taken {
		if p.key == key {
			n++
		}
	}
	return n
}

// share returns how many places a newcomer's group may have.
func (m *model) share(key string) int {
	if key == "" {
		return m.places.Total
	}
	groups := map[string]bool{key: true}
	for _, p := range m.taken {
		groups[p.key] = true
	}
	return max(1, m.places.Total/(len(groups)+1))
}

// oldest returns the place of a group that gives way first; nil when none does.
func (m *model) oldest(key string) *place {
	for _, p := range m.taken {
		if p.key == key && p.idle && m.now-p.began >= patience {
			return p
		}
	}
	return nil
}

// mostOfOthers returns the size of the largest group that has a place that gives way, if that has more than held.
func (m *model) mostOfOthers(held int) (most int) {
	for _, key := range keys {
		if n := m.held(key); n > held && m.oldest(key) != nil {
			most = max(most, n)
		}
	}
	return most
}

// judge checks whether a newcomer was rightly let in, and whether the right place gave way.
func (m *model) judge(p *place, taken bool, victim *fair.Place[string, int]) {
	m.Helper()
	held, full := m.held(p.key), len(m.taken) == m.places.Total
	own := held >= m.share(p.key)
	switch {
	case len(m.taken) > m.places.Total:
		if taken {
			m.Fatalf("a place was given away although %d of %d are taken", len(m.taken), m.places.Total)
		}
	case own && (m.oldest(p.key) != nil) != taken, !own && full && (m.mostOfOthers(held) > 0) != taken,
		!own && !full && !taken:
		m.Fatalf("%q, which has %d, share %d, %d of %d taken: let in %v", p.key, held, m.share(p.key), len(m.taken),
			m.places.Total, taken)
	case taken && (victim != nil) != (own || full):
		m.Fatalf("%q has %d, share %d, %d of %d taken: gave way %v", p.key, held, m.share(p.key), len(m.taken),
			m.places.Total, victim)
	}
	if victim == nil {
		return
	}
	i := slices.IndexFunc(m.taken, func(p *place) bool { return p.Place == victim })
	if i < 0 {
		m.Fatal("a place gave way that was not taken")
	}
	v := m.taken[i]
	if m.oldest(v.key) != v || victim.Held != m.held(v.key) || own && v.key != p.key ||
		!own && m.held(v.key) != m.mostOfOthers(held) {
		m.Fatalf("%+v gave way to a newcomer of %q", v, p.key)
	}
	m.taken = slices.Delete(m.taken, i, i+1)
	m.gone = append(m.gone, v)
}

// enter lets a newcomer come.
func (m *model) enter(*rapid.T) {
	p := &place{key: rapid.SampledFrom(keys).Draw(m.T, "key"), began: m.now}
	m.n++
	got, taken, victim := m.places.Enter(p.key, m.n, m.now)
	p.Place = got
	m.judge(p, taken, victim)
	if taken {
		m.taken = append(m.taken, p)
	} else {
		m.waiting = append(m.waiting, p)
	}
}

// next serves those that wait, until none may have a place.
func (m *model) next(*rapid.T) {
	for {
		got, victim := m.places.Next(m.now, len(keys))
		if got == nil {
			break
		}
		i := slices.IndexFunc(m.waiting, func(p *place) bool { return p.Place == got })
		p := m.waiting[i]
		for _, other := range m.waiting[:i] {
			if other.key == p.key {
				m.Fatalf("%d came before its turn", p.Value)
			}
		}
		m.judge(p, true, victim)
		p.began = m.now
		m.waiting, m.taken = slices.Delete(m.waiting, i, i+1), append(m.taken, p)
	}
	for _, p := range m.waiting { // none of them may have one
		m.judge(p, false, nil)
	}
}

// wait lets time pass.
func (m *model) wait(*rapid.T) {
	m.now += time.Duration(rapid.IntRange(1, 15).Draw(m.T, "s")) * time.Second
}

// some returns one of places; the action is skipped without one.
func (m *model) some(of []*place) int {
	if len(of) == 0 {
		m.Skip("none")
	}
	return rapid.IntRange(0, len(of)-1).Draw(m.T, "which")
}

// turnIdle makes a place wait for its peer, or go on.
func (m *model) turnIdle(*rapid.T) {
	p := m.taken[m.some(m.taken)]
	if p.idle = !p.idle; p.idle {
		m.places.Idle(p.Place)
	} else if !m.places.Busy(p.Place) {
		m.Fatal("a place is gone that nobody took")
	}
}

// end gives a place back.
func (m *model) end(*rapid.T) {
	i := m.some(m.taken)
	m.places.End(m.taken[i].Place)
	m.taken = slices.Delete(m.taken, i, i+1)
}

// endGone ends a handshake whose place was taken away, which changes nothing.
func (m *model) endGone(*rapid.T) {
	p := m.gone[m.some(m.gone)]
	if m.places.Busy(p.Place) {
		m.Fatal("a place that was taken away is still there")
	}
	m.places.End(p.Place)
}

// leave gives up waiting.
func (m *model) leave(*rapid.T) {
	i := m.some(m.waiting)
	if !m.places.Leave(m.waiting[i].Place) || m.places.Leave(m.waiting[i].Place) {
		m.Fatal("leaving is not told once")
	}
	m.waiting = slices.Delete(m.waiting, i, i+1)
}

// setTotal changes the number of places.
func (m *model) setTotal(*rapid.T) { m.places.Total = rapid.IntRange(1, 12).Draw(m.T, "total") }

// check compares the places with the model.
func (m *model) check(*rapid.T) {
	if m.places.Taken() != len(m.taken) || m.places.Waiting() != len(m.waiting) {
		m.Fatalf("%d taken, %d wait; expected %d and %d", m.places.Taken(), m.places.Waiting(), len(m.taken), len(m.waiting))
	}
	for _, key := range keys {
		if m.places.Held(key) != m.held(key) || m.places.Share(key) != m.share(key) {
			m.Fatalf("%q has %d, share %d; expected %d and %d", key, m.places.Held(key), m.places.Share(key), m.held(key),
				m.share(key))
		}
	}
}

// TestPlacesModel holds that never more places are taken than there are, that no group grows beyond its share, that the
// oldest idle place of the largest group gives way and no other does, that a newcomer waits only when none can, and
// that nothing is left when all have gone.
func TestPlacesModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &model{T: t}
		m.places.Total, m.places.Patience = rapid.IntRange(1, 12).Draw(t, "total"), patience
		t.Repeat(map[string]func(*rapid.T){"": m.check, "enter": m.enter, "next": m.next, "wait": m.wait, "idle": m.turnIdle,
			"end": m.end, "endGone": m.endGone, "leave": m.leave, "setTotal": m.setTotal})
		for len(m.taken) > 0 {
			m.places.End(m.taken[0].Place)
			m.taken = m.taken[1:]
		}
		for len(m.waiting) > 0 {
			m.places.Leave(m.waiting[0].Place)
			m.waiting = m.waiting[1:]
		}
		m.check(t)
		if m.places.Groups() != 0 {
			t.Errorf("%d groups wait after the end", m.places.Groups())
		}
	})
}

// TestOneGroupNeverHasMoreThanHalf holds that a group that comes alone leaves half of the places to others.
func TestOneGroupNeverHasMoreThanHalf(t *testing.T) {
	var s fair.Places[string, int]
	s.Total, s.Patience = 1024, patience
	for i := range 1100 {
		p, taken, _ := s.Enter("flood", i, 0)
		if taken {
			s.Idle(p)
		}
	}
	if s.Held("flood") != 512 || s.Waiting() != 588 {
		t.Errorf("%d taken, %d wait; expected 512 and 588", s.Held("flood"), s.Waiting())
	}
	if _, taken, victim := s.Enter("honest", 0, 0); !taken || victim != nil {
		t.Errorf("another group is let in: %v, and %v gave way; expected a free place", taken, victim)
	}
	if p, victim := s.Next(patience, 1); p == nil || victim == nil || victim.Value != 0 || p.Value != 512 ||
		victim.Held != 512 {
		t.Errorf("%+v got the place of %+v; expected that the first to wait gets the oldest's", p, victim)
	}
}
