package ban

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// errBanFileClosed says that bans cannot be kept.
var errFileClosed = errors.New("the ban file is not open: bans can be changed from Listen until the server has ended")

// List has a server's bans. Asking whether a peer is banned takes no lock. Expired bans match nobody. They are dropped
// from memory and from the file when bans change.
//
// Lock order: mu is held while the file is written, and together with no other lock of the server.
type List struct {
	Current atomic.Pointer[Set] // nil: there are none

	mu   sync.Mutex // one change at a time
	Kept bool       // they are to be kept in a file
	file *file      // nil when it is not open
}

// Open reads the bans that a file has, and keeps them there from now on, until close. damage says what was wrong with a
// file that was set aside; there are no bans then.
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

// Close lets another have the file. Bans go on to match; they cannot be changed any more.
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

// Change has edit change the bans that have not expired, in the order of their targets, and publishes and keeps what it
// returns. When edit or writing the file fails, nothing has changed.
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

// Find returns the ban that covers a peer; nil when there is none.
func (b *List) Find(addr netip.Addr, identity string) *Ban {
	set := b.Current.Load()
	if set == nil { // not even the clock is read
		return nil
	}
	return set.find(addr, identity, time.Now())
}
