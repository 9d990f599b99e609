package ban

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// errFileClosed says that the ban file is not open, so that no change could be kept.
var errFileClosed = errors.New("the ban file is not open: bans can be changed from Listen until the server has ended")

// List keeps a server's bans. Any goroutine may call its methods. A change is in force at once; a goroutine of the List
// writes it to the file afterwards, and the change's Receipt tells of that. An expired ban matches no peer, and the
// next change drops it from memory.
//
// Lock order: docs/locks.md. mu is never held while a file is read, written or synced.
type List struct {
	Kept   bool         // changes need an open file; set before any other goroutine uses the List
	Report func(Report) // gets news of the file, without a lock; set before Open; must not call Close

	count atomic.Int64 // of the table's rows, so that a server without bans takes no lock for a peer

	mu     sync.RWMutex // guards table, keeper, and what the keeper says it guards
	table  table
	keeper *keeper // nil when no file is open
}

// Open reads the bans of a file, and keeps them there until Close. damage says what was wrong with a file that was set
// aside, and which of its bans are in force. The error says what to do.
func (l *List) Open(path string) (damage error, err error) {
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	rows, damage, err := file.load(time.Now())
	if err != nil {
		return nil, errors.Join(err, file.close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.table = table{}
	l.table.put(rows)
	l.counted()
	l.keeper = newKeeper(l, file)
	return damage, nil
}

// Close writes what is not kept yet, once, and lets another server have the file. The bans stay in force, but a change
// fails from now on if Kept is set. A second Close does nothing.
func (l *List) Close() error {
	l.mu.Lock()
	k := l.keeper
	l.keeper = nil
	l.mu.Unlock()
	if k == nil {
		return nil
	}
	return k.close()
}

// Put brings a ban into force, in the place of another of the same target if there is one. The error is ErrTooMany or a
// *SizeError, and then the bans are as they were.
func (l *List) Put(added *Ban) (replaced bool, kept *Receipt, err error) {
	n, kept, err := l.put(added.lines(), false)
	return n > 0, kept, err
}

// PutAll brings bans of different targets into force, all or none. A ban of the same target that ends later stays. The
// error is as for Put. It sorts added.
func (l *List) PutAll(added []*Ban) (kept *Receipt, err error) {
	slices.SortFunc(added, func(a, b *Ban) int { return a.Target.Compare(b.Target) })
	var all changes
	for _, b := range added {
		all = append(all, b.lines()...)
	}
	_, kept, err = l.put(all, true)
	return kept, err
}

func (l *List) put(all changes, yielding bool) (replaced int, kept *Receipt, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.begin(); err != nil {
		return 0, nil, err
	}
	if yielding {
		all = slices.DeleteFunc(all, func(c change) bool {
			old := l.table.of(c.ban.Target)
			return old != nil && old.outlasts(c.ban)
		})
	}
	if err := l.table.fits(all.bans()); err != nil {
		return 0, nil, err
	}
	replaced = l.table.put(all.bans())
	l.counted()
	return replaced, l.keeper.owe(all), nil
}

// Remove ends the ban of a target and returns it; nil when there is none.
func (l *List) Remove(target Target) (removed *Ban, kept *Receipt, err error) {
	line := target.removal()
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.begin(); err != nil {
		return nil, nil, err
	}
	if removed = l.table.remove(target); removed == nil {
		return nil, nil, nil
	}
	l.counted()
	return removed, l.keeper.owe(changes{{line: line}}), nil
}

// begin drops expired bans. The error says that no change is possible. The caller holds mu.
func (l *List) begin() error {
	if l.Kept && l.keeper == nil {
		return errFileClosed
	}
	l.table.prune(time.Now())
	l.counted()
	return nil
}

// counted publishes the number of rows. The caller holds mu.
func (l *List) counted() { l.count.Store(int64(len(l.table.rows))) }

// None reports that there is no ban, without a lock.
func (l *List) None() bool { return l.count.Load() == 0 }

// Find returns the ban that covers a peer now; nil without one. An identity of "" is not known.
func (l *List) Find(addr netip.Addr, identity string) *Ban {
	if l.None() {
		return nil
	}
	now := time.Now()
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.table.find(addr, identity, now)
}

// Page returns at most limit bans in the order of their targets: the first ones, or those behind a target. total is how
// many there are in all, and rest how many are behind the page.
func (l *List) Page(after Target, limit int) (rows []*Ban, total, rest int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.table.prune(time.Now())
	l.counted()
	behind := l.table.rows
	if after != (Target{}) {
		place, found := l.table.place(after)
		if found {
			place++
		}
		behind = behind[place:]
	}
	rows = slices.Clone(behind[:min(len(behind), limit)])
	return rows, len(l.table.rows), len(behind) - len(rows)
}

// NotKept says why a ban is not in the file; "" when it is, or when there is to be none.
func (l *List) NotKept(b *Ban) string {
	if !l.Kept || b.kept.Load() {
		return ""
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.keeper == nil || l.keeper.problem == "" {
		return "it is being written"
	}
	return l.keeper.problem
}
