package turn

// queue has the works that wait, as a heap by their tags.
type queue []*Work

// Len returns the length.
func (q queue) Len() int { return len(q) }

// Less reports whether the turn of i comes before that of j.
func (q queue) Less(i, j int) bool { return q[i].tag < q[j].tag }

// Swap exchanges two works.
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push adds a work at the end.
func (q *queue) Push(w any) {
	w.(*Work).place = len(*q)
	*q = append(*q, w.(*Work))
}

// Pop takes the last work.
func (q *queue) Pop() any {
	last := len(*q) - 1
	w := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	w.place = -1
	return w
}
