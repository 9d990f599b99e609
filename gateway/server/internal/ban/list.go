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

var errNoBan = errors.New("there is no such ban")

// List keeps a server's bans. Any goroutine may call its methods, and Find takes no lock. An expired ban matches no
// peer. It is dropped from memory and from the file at the next change.
//
// Lock order: docs/locks.md. Hazard: mu is held while the file is written and synced.
type List struct {
	Current atomic.Pointer[Set] // nil without bans; only a change and Open store it

	mu   sync.Mutex // one change at a time; guards file
	Kept bool       // changes need an open file; set before any other goroutine uses the List
	file *file      // nil when it is not open
}

// Open reads the bans of a file, and keeps them there until Close. damage says what was wrong with a file that was set
// aside; there are no bans then. The error says what to do.
func (b *List) Open(path string) (damage error, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	file, err := openFile(path)
	if err != nil {
		return nil, err
	}
	rows, damage, err := file.load()
	if err != nil {
		return nil, errors.Join(err, file.close())
	}
	b.file = file
	b.Current.Store(NewSet(rows))
	return damage, nil
}

// Close lets another server have the file. The bans stay in force, but a change fails from now on if Kept is set. A
// second Close does nothing.
func (b *List) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		return nil
	}
	file := b.file
	b.file = nil
	return file.close()
}

// Put brings a ban into force, in the place of another of the same target if there is one. The error is ErrTooMany or
// that of writing, and then the bans are as they were.
func (b *List) Put(added *Ban) (replaced bool, err error) {
	err = b.change(func(rows []*Ban) ([]*Ban, error) {
		place, found := PlaceOf(rows, added.Target)
		if replaced = found; found {
			rows[place] = added
			return rows, nil
		}
		if len(rows) >= Max {
			return nil, ErrTooMany
		}
		return slices.Insert(rows, place, added), nil
	})
	return replaced, err
}

// PutAll brings bans of different targets into force, with one writing of the file. A ban of the same target that ends
// later stays. The error is as for Put. It sorts added.
func (b *List) PutAll(added []*Ban) error {
	slices.SortFunc(added, func(a, b *Ban) int { return a.Target.Compare(b.Target) })
	return b.change(func(rows []*Ban) ([]*Ban, error) { return merge(rows, added) })
}

// Remove ends the ban of a target and returns it; nil when there is none. The error is that of writing, and then the
// bans are as they were.
func (b *List) Remove(target Target) (removed *Ban, err error) {
	err = b.change(func(rows []*Ban) ([]*Ban, error) {
		place, found := PlaceOf(rows, target)
		if !found {
			return nil, errNoBan // nothing is written
		}
		removed = rows[place]
		return slices.Delete(rows, place, place+1), nil
	})
	if errors.Is(err, errNoBan) {
		return nil, nil
	}
	return removed, err
}

// change calls edit with the bans that have not expired, in the order of their targets. It writes the returned bans to
// the file, if there is one, and then brings them into force. An error of edit or of writing leaves the bans as they
// were. Edit may modify its slice, and must not call the List.
func (b *List) change(edit func(rows []*Ban) ([]*Ban, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Kept && b.file == nil {
		return errFileClosed
	}
	rows, err := edit(b.Current.Load().Lasting(time.Now()))
	if err != nil {
		return err
	}
	if b.file != nil {
		if err := b.file.save(rows); err != nil {
			return err
		}
	}
	b.Current.Store(NewSet(rows))
	return nil
}

// Find returns the ban that covers a peer now; nil without one. An identity of "" is not known.
func (b *List) Find(addr netip.Addr, identity string) *Ban {
	set := b.Current.Load()
	if set == nil { // spares reading the clock
		return nil
	}
	return set.find(addr, identity, time.Now())
}
