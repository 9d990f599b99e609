package fair

import "time"

// candidates is the most groups that are searched for a place that can be taken away. The search begins at the largest
// group, which mostly has one.
const candidates = 16

// Places shares a number of places between groups. No group may have more than its share, Total/(groups with a place
// + 1), so that a group alone never has more than half. A place that is idle longer than Patience gives way: the oldest
// of a group to a newcomer of a group that has its share already, and the oldest of the largest group to a newcomer
// when all places are taken. A newcomer waits only when no place can give way. The zero key has no share of its own.
//
// The zero value has no places. One goroutine at a time may use it. Moments are on a clock of the caller.
type Places[K comparable, T any] struct {
	Total    int           // most places; lowering it takes none away
	Patience time.Duration // the age from which an idle place may be taken away
	taken    Crowd[K, *Place[K, T]]
	waiting  Rota[K, *Place[K, T]]
}

// Place is a place that is taken or waited for.
type Place[K comparable, T any] struct {
	Value  T   // set by the caller of Enter
	Held   int // places of its group when it was taken away
	key    K
	began  time.Duration
	idle   bool
	member *Member[K, *Place[K, T]] // nil while it waits, and when it is gone
	turn   *Turn[K, *Place[K, T]]   // nil unless it waits
}

// Enter takes a place for a newcomer, or makes it wait. victim is the place that gave way, nil when there was a free
// one.
func (s *Places[K, T]) Enter(key K, value T, now time.Duration) (p *Place[K, T], taken bool, victim *Place[K, T]) {
	p = &Place[K, T]{Value: value, key: key}
	if taken, victim = s.take(p, now); !taken {
		p.turn = s.waiting.Add(key, p)
	}
	return p, taken, victim
}

// Next lets one newcomer that waits take a place. It looks at the next lines groups, and returns nil when none of these
// may have one.
func (s *Places[K, T]) Next(now time.Duration, lines int) (p, victim *Place[K, T]) {
	for range min(lines, s.waiting.Lines()) {
		p := s.waiting.Next().Value
		if taken, victim := s.take(p, now); taken {
			s.Leave(p)
			return p, victim
		}
	}
	return nil, nil
}

// Leave gives up waiting; false when p does not wait.
func (s *Places[K, T]) Leave(p *Place[K, T]) bool {
	if p.turn == nil {
		return false
	}
	s.waiting.Remove(p.turn)
	p.turn = nil
	return true
}

// Idle says that a place waits for its peer, and may be taken away.
func (s *Places[K, T]) Idle(p *Place[K, T]) { p.idle = true }

// Busy says that a place does not wait any more; false when it was taken away.
func (s *Places[K, T]) Busy(p *Place[K, T]) bool {
	p.idle = false
	return p.member != nil
}

// End gives a place back, unless it was taken away.
func (s *Places[K, T]) End(p *Place[K, T]) {
	if p.member != nil {
		s.taken.Remove(p.member)
		p.member = nil
	}
}

// Taken returns how many places are taken.
func (s *Places[K, T]) Taken() int { return s.taken.Len() }

// Waiting returns how many newcomers wait.
func (s *Places[K, T]) Waiting() int { return s.waiting.Len() }

// Groups returns how many groups wait.
func (s *Places[K, T]) Groups() int { return s.waiting.Lines() }

// Held returns how many places a group has.
func (s *Places[K, T]) Held(key K) int { return s.taken.Count(key) }

// Share returns how many places a group may have.
func (s *Places[K, T]) Share(key K) int {
	var none K
	if key == none {
		return s.Total
	}
	groups := s.taken.Groups()
	if s.taken.Count(key) == 0 {
		groups++
	}
	return max(1, s.Total/(groups+1))
}

// take takes a place for p if there is one, or one gives way. Nothing gives way while more than Total are taken.
func (s *Places[K, T]) take(p *Place[K, T], now time.Duration) (taken bool, victim *Place[K, T]) {
	held := s.Held(p.key)
	switch n := s.Taken(); {
	case n > s.Total:
		return false, nil
	case held >= s.Share(p.key):
		victim = s.oldest(p.key, now)
	case n == s.Total:
		victim = s.oldestOfLargest(held, now)
	default:
		s.give(p, now)
		return true, nil
	}
	if victim == nil {
		return false, nil
	}
	victim.Held = s.Held(victim.key)
	s.End(victim)
	s.give(p, now)
	return true, victim
}

// give makes a place p's.
func (s *Places[K, T]) give(p *Place[K, T], now time.Duration) {
	p.began = now
	p.member = s.taken.Add(p.key, p)
}

// oldest returns the oldest place of a group that may be taken away; nil without one.
func (s *Places[K, T]) oldest(key K, now time.Duration) *Place[K, T] {
	for m := range s.taken.Group(key) {
		switch p := m.Value; {
		case now-p.began < s.Patience: // so are all younger ones
			return nil
		case p.idle:
			return p
		}
	}
	return nil
}

// oldestOfLargest returns the oldest place that may be taken away, of the largest group that has one and has more
// places than held.
func (s *Places[K, T]) oldestOfLargest(held int, now time.Duration) *Place[K, T] {
	n := 0
	for key := range s.taken.Largest() {
		if n++; n > candidates || s.Held(key) <= held {
			return nil
		}
		if p := s.oldest(key, now); p != nil {
			return p
		}
	}
	return nil
}
