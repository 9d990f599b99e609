package registry

import (
	"cmp"
	"iter"
	"slices"
)

// maxRun is the number of entries at which a run of an Index is split.
const maxRun = 256

// Index finds a place by its seq, and iterates in the order of the seqs. The entries are in sorted runs, so that an
// insertion or a removal moves the entries of one run only. The zero value is empty. The caller guards it.
type Index struct {
	runs [][]IndexEntry // in order; no run is empty
}

// IndexEntry is a seq and its place.
type IndexEntry struct {
	Seq   uint64 // the key
	Place int    // the caller's number for it
}

// find returns the run and the index of the first entry with at least this seq, and whether it has exactly this seq.
func (x *Index) find(seq uint64) (run, i int, found bool) {
	run, _ = slices.BinarySearchFunc(x.runs, seq, func(entries []IndexEntry, seq uint64) int {
		return cmp.Compare(entries[len(entries)-1].Seq, seq)
	})
	if run == len(x.runs) {
		return run, 0, false
	}
	i, found = slices.BinarySearchFunc(x.runs[run], seq,
		func(e IndexEntry, seq uint64) int { return cmp.Compare(e.Seq, seq) })
	return run, i, found
}

// Get returns the place of a seq, and whether the seq is there.
func (x *Index) Get(seq uint64) (int, bool) {
	run, i, found := x.find(seq)
	if !found {
		return 0, false
	}
	return x.runs[run][i].Place, true
}

// Insert adds a seq, which must not be there yet.
func (x *Index) Insert(seq uint64, place int) {
	run, i, _ := x.find(seq)
	if run == len(x.runs) { // higher than all: it goes behind the last one
		if run == 0 {
			x.runs = append(x.runs, nil)
		}
		run = len(x.runs) - 1
		i = len(x.runs[run])
	}
	entries := slices.Insert(x.runs[run], i, IndexEntry{seq, place})
	if half := len(entries) / 2; len(entries) == maxRun {
		x.runs = slices.Insert(x.runs, run+1, slices.Clone(entries[half:]))
		entries = entries[:half]
	}
	x.runs[run] = entries
}

// Remove removes a seq, which must be there. It joins runs that become short.
func (x *Index) Remove(seq uint64) {
	run, i, _ := x.find(seq)
	x.runs[run] = slices.Delete(x.runs[run], i, i+1)
	if len(x.runs[run]) == 0 {
		x.runs = slices.Delete(x.runs, run, run+1)
		return
	}
	x.join(run)
	x.join(run - 1)
}

// join joins a run with the next one, when both together are shorter than half a run.
func (x *Index) join(run int) {
	if run < 0 || run+1 >= len(x.runs) || len(x.runs[run])+len(x.runs[run+1]) >= maxRun/2 {
		return
	}
	x.runs[run] = append(x.runs[run], x.runs[run+1]...)
	x.runs = slices.Delete(x.runs, run+1, run+2)
}

// Above iterates over the entries with a higher seq, in order. The Index must not change meanwhile.
func (x *Index) Above(seq uint64) iter.Seq[IndexEntry] {
	return func(yield func(IndexEntry) bool) {
		run, i, found := x.find(seq)
		if found {
			i++
		}
		for ; run < len(x.runs); run, i = run+1, 0 {
			for _, e := range x.runs[run][i:] {
				if !yield(e) {
					return
				}
			}
		}
	}
}
