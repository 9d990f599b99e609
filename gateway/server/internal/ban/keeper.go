package ban

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	// firstDelay and longestDelay are the times between two attempts to write a file that cannot be written. Each is
	// twice the one before.
	firstDelay   = 250 * time.Millisecond
	longestDelay = 10 * time.Second
	// patience is how long a caller waits for the disk.
	patience = 2 * time.Second
	// maxRound is the most changes that wait for the disk one by one.
	maxRound = 2 * Max
	// reportEvery is how often a file that stays unwritable is reported.
	reportEvery = time.Minute
)

// Report is news of the ban file.
type Report struct {
	Text    string // for the log
	Err     error  // what is wrong; nil for good news
	Changes uint64 // changes of bans that were answered as not kept
}

// keeper writes the changes of a List to its file, in a goroutine of its own. The changes that come while it writes are
// written together, with one sync. After a failure it rewrites the file, again and again until that succeeds.
type keeper struct {
	list  *List
	file  *file         // only the goroutine uses it, until it has ended
	wake  chan struct{} // capacity 1
	stop  chan struct{} // closed by close
	ended chan struct{} // closed when the goroutine has returned

	next     *round    // changes that wait to be written; list.mu guards it
	problem  string    // why the last attempt failed, "" during the next one; list.mu guards it
	unkept   uint64    // changes answered as not kept since the file was last whole; list.mu guards it
	reported time.Time // when the trouble was last reported; zero without trouble; only the goroutine uses it
}

// newKeeper begins to keep a list's changes. Close ends it.
func newKeeper(l *List, f *file) *keeper {
	k := &keeper{list: l, file: f, wake: make(chan struct{}, 1), stop: make(chan struct{}), ended: make(chan struct{})}
	go k.run()
	return k
}

// close waits for the last attempt to write, and lets another server have the file.
func (k *keeper) close() error {
	close(k.stop)
	<-k.ended
	return k.file.close()
}

func (k *keeper) run() {
	defer close(k.ended)
	k.reportCut()
	var delay time.Duration
	if k.file.stale {
		delay = k.write(0)
	}
	for k.rest(delay) {
		delay = k.write(delay)
	}
	if k.write(delay) > 0 {
		k.list.report(Report{Text: "bans that are not kept end now, and removed ones may come back",
			Err: errors.New(k.problem), Changes: k.unkept}) // no other goroutine has the keeper any more
	}
}

// reportCut tells of the torn end of a file.
func (k *keeper) reportCut() {
	if k.file.cut > 0 {
		k.list.report(Report{Text: fmt.Sprintf("ban file %s ended in the middle of a change that no caller was told is "+
			"kept: its last %d bytes were cut off", k.file.path, k.file.cut)})
	}
}

// rest waits for changes, or for delay when that is not 0. It returns false when the keeper is to end.
func (k *keeper) rest(delay time.Duration) bool {
	var again <-chan time.Time
	if delay > 0 {
		timer := time.NewTimer(delay)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-k.stop:
		return false
	case <-k.wake:
	case <-again:
	}
	return true
}

// write makes one attempt to write what is not in the file, and answers the callers. delay is how long it was since the
// attempt before, if that failed. write returns the time until the next one, 0 when this one succeeded.
func (k *keeper) write(delay time.Duration) time.Duration {
	whole := k.file.whole()
	r, rows := k.take(whole)
	if r == nil && rows == nil {
		return 0
	}
	if err := k.file.keep(r.text(), rows); err != nil {
		k.failed(r, err)
		return min(max(firstDelay, 2*delay), longestDelay)
	}
	k.succeeded(r, rows)
	return 0
}

// take returns the changes to write, and all bans when the file has to be rewritten. Changes that come from now on are
// for the next attempt.
func (k *keeper) take(whole bool) (r *round, rows []*Ban) {
	k.list.mu.Lock()
	defer k.list.mu.Unlock()
	r, k.next, k.problem = k.next, nil, ""
	if r == nil && (whole || !k.file.stale) {
		return nil, nil
	}
	if whole && !k.file.full(len(r.text())) && !r.overflown() {
		return r, nil
	}
	k.list.table.prune(time.Now())
	return r, append(make([]*Ban, 0, len(k.list.table.rows)), k.list.table.rows...)
}

// succeeded answers the callers, and tells of the end of the trouble.
func (k *keeper) succeeded(r *round, rows []*Ban) {
	for _, b := range rows {
		b.kept.Store(true)
	}
	r.answer("")
	k.list.mu.Lock()
	unkept := k.unkept
	k.unkept = 0
	k.list.mu.Unlock()
	if k.reported.IsZero() {
		return
	}
	k.reported = time.Time{}
	k.list.report(Report{Text: "all bans are kept again, and all removals", Changes: unkept})
}

// failed answers the callers, those that have come meanwhile too, and tells of the trouble. A file that can be read and
// not be written is no trouble until a change comes.
func (k *keeper) failed(r *round, err error) {
	k.list.mu.Lock()
	k.problem = err.Error()
	late := k.next
	k.next = nil
	k.unkept += r.size() + late.size()
	unkept := k.unkept
	k.list.mu.Unlock()
	r.answer(err.Error())
	late.answer(err.Error())
	if unkept == 0 || time.Since(k.reported) < reportEvery {
		return
	}
	k.reported = time.Now()
	k.list.report(Report{Text: "changes of bans are in force and not kept; the gateway goes on trying", Err: err,
		Changes: unkept})
}

// owe adds changes to those that wait to be written. While the file cannot be written it says so at once: the next
// attempt writes all bans. The caller holds list.mu.
func (k *keeper) owe(all changes) *Receipt {
	if k == nil || len(all) == 0 {
		return nil
	}
	if k.problem != "" {
		k.unkept += uint64(len(all))
		return &Receipt{round: answered(k.problem)}
	}
	if k.next == nil {
		k.next = &round{done: make(chan struct{})}
	}
	k.next.add(all)
	select {
	case k.wake <- struct{}{}:
	default:
	}
	return &Receipt{round: k.next, until: time.Now().Add(patience)}
}

// report hands news to the owner of the list.
func (l *List) report(r Report) {
	if l.Report != nil {
		l.Report(r)
	}
}

// change is a change of a ban, as a line of the file. ban is nil for a removal.
type change struct {
	ban  *Ban
	line []byte
}

type changes []change

// bans returns the bans of changes that have one.
func (c changes) bans() []*Ban {
	bans := make([]*Ban, 0, len(c))
	for _, one := range c {
		if one.ban != nil {
			bans = append(bans, one.ban)
		}
	}
	return bans
}

// round is the changes of one write. A nil round is empty.
type round struct {
	changes changes       // empty when there are too many: then all bans are written
	count   uint64        // how many there are
	bytes   int           // of the lines of all
	done    chan struct{} // closed when the write has ended
	problem string        // why it failed; to be read when done is closed
}

// add adds changes. A disk that does not answer would otherwise let them grow without a bound.
func (r *round) add(all changes) {
	r.count += uint64(len(all))
	for _, c := range all {
		r.bytes += len(c.line)
	}
	if r.changes = append(r.changes, all...); r.overflown() {
		r.changes = nil
	}
}

// overflown reports whether the changes were too many to keep, or have more bytes than all bans may have.
func (r *round) overflown() bool { return r != nil && (r.count > maxRound || r.bytes > maxBytes) }

// answered returns a round that has failed already.
func answered(problem string) *round {
	r := &round{done: make(chan struct{}), problem: problem}
	close(r.done)
	return r
}

func (r *round) size() uint64 {
	if r == nil {
		return 0
	}
	return r.count
}

// text returns the lines of the changes.
func (r *round) text() []byte {
	if r == nil {
		return nil
	}
	lines := make([][]byte, 0, len(r.changes))
	for _, c := range r.changes {
		lines = append(lines, c.line)
	}
	return slices.Concat(lines...)
}

// answer ends the wait of the callers.
func (r *round) answer(problem string) {
	if r == nil {
		return
	}
	for _, b := range r.changes.bans() {
		b.kept.Store(problem == "")
	}
	r.problem = problem
	close(r.done)
}

// Receipt tells whether a change is in the file. A nil Receipt is of a List without a file.
type Receipt struct {
	round *round
	until time.Time // when the caller gives up
}

// Await waits until the change is on the disk, for at most 2 s from the change on. It returns why it is not; "" when it
// is, or when no file is to have it.
func (r *Receipt) Await() (notKept string) {
	if r == nil {
		return ""
	}
	select {
	case <-r.round.done: // of a moment ago, whatever the time
		return r.round.problem
	default:
	}
	timer := time.NewTimer(time.Until(r.until))
	defer timer.Stop()
	select {
	case <-r.round.done:
		return r.round.problem
	case <-timer.C:
		return fmt.Sprintf("the disk has not confirmed it within %s", patience)
	}
}
