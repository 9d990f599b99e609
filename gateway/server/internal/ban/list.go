package ban

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// errFileClosed says that the ban file is not open, so that no change could be kept.
var errFileClosed = errors.New("the ban file is not open: bans can be changed from Listen until the server has ended")

// List keeps a server's bans. Any goroutine may call its methods, and Find takes no lock. An expired ban matches no
// peer. It is dropped from memory and from the file at the next change.
//
// Lock order: docs/locks.md. Hazard: mu is held while the file is written and synced.
type List struct {
	Current atomic.Pointer[Set] // nil without bans; only Change and Open store it

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

// Close lets another server have the file. The bans stay in force, but Change fails from now on if Kept is set. A
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

// Change calls edit with the bans that have not expired, in the order of their targets. It writes the returned bans to
// the file, if there is one, and then brings them into force. An error of edit or of writing leaves the bans as they
// were. Edit may modify its slice, and must not call the List.
func (b *List) Change(edit func(rows []*Ban) ([]*Ban, error)) error {
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
