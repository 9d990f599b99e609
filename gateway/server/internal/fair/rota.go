package fair

import "container/list"

// Rota is a line for each group, and serves the lines in turn: a long line holds up no other. The zero value is empty.
// One goroutine at a time may use it.
type Rota[K comparable, T any] struct {
	lines map[K]*list.Element // of ring
	ring  list.List           // *line, the next to be served first; none is empty
	n     int
}

// Turn is a place in a line of a Rota.
type Turn[K comparable, T any] struct {
	Value T // set by the caller of Add
	line  *list.Element
	place *list.Element // in the line's turns
}

// line has the turns of one group.
type line[K comparable] struct {
	key   K
	turns list.List // *Turn, in the order of arrival
}

// Add joins the line of a group. A new line is served last.
func (r *Rota[K, T]) Add(key K, value T) *Turn[K, T] {
	e := r.lines[key]
	if e == nil {
		if r.lines == nil {
			r.lines = make(map[K]*list.Element)
		}
		e = r.ring.PushBack(&line[K]{key: key})
		r.lines[key] = e
	}
	t := &Turn[K, T]{Value: value, line: e}
	t.place = e.Value.(*line[K]).turns.PushBack(t)
	r.n++
	return t
}

// Remove leaves the line.
func (r *Rota[K, T]) Remove(t *Turn[K, T]) {
	l := t.line.Value.(*line[K])
	l.turns.Remove(t.place)
	r.n--
	if l.turns.Len() == 0 {
		r.ring.Remove(t.line)
		delete(r.lines, l.key)
	}
}

// Next returns the first turn of the next line, and puts that line behind all others; nil when nothing waits. The turn
// stays in its line until Remove.
func (r *Rota[K, T]) Next() *Turn[K, T] {
	e := r.ring.Front()
	if e == nil {
		return nil
	}
	r.ring.MoveToBack(e)
	return e.Value.(*line[K]).turns.Front().Value.(*Turn[K, T])
}

// Len returns how many turns wait, and Lines in how many lines.
func (r *Rota[K, T]) Len() int { return r.n }

// Lines returns how many groups have a turn that waits.
func (r *Rota[K, T]) Lines() int { return len(r.lines) }
