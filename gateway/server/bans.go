package server

import (
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// errBanFileClosed says that bans cannot be kept.
var errBanFileClosed = errors.New("the ban file is not open: bans can be changed from Listen until the server has ended")

// bans are a server's. Who asks whether a peer is banned takes no lock. Those that have expired match nobody; they are dropped from
// memory and from the file when bans change.
//
// Lock order: mu is held while the file is written, and together with no other lock of the server.
type bans struct {
	set atomic.Pointer[banSet] // nil: there are none

	mu   sync.Mutex // one change at a time
	kept bool       // they are to be kept in a file
	file *banFile   // nil when it is not open
}

// open reads the bans that a file has, and keeps them there from now on, until close. damage says what was wrong with a file that was
// set aside; there are no bans then.
func (b *bans) open(path string) (damage error, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	file, err := openBanFile(path)
	if err != nil {
		return nil, err
	}
	rows, damage, err := file.load()
	if err != nil {
		return nil, errors.Join(err, file.close())
	}
	b.file = file
	b.set.Store(newBanSet(rows))
	return damage, nil
}

// close lets another have the file. Bans go on to match; they cannot be changed any more.
func (b *bans) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.file == nil {
		return nil
	}
	file := b.file
	b.file = nil
	return file.close()
}

// change has edit change the bans that have not expired, in the order of their targets, and publishes and keeps what it returns. When
// edit or writing the file fails, nothing has changed.
func (b *bans) change(edit func(rows []*ban) ([]*ban, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept && b.file == nil {
		return errBanFileClosed
	}
	rows, err := edit(b.set.Load().lasting(time.Now()))
	if err != nil {
		return err
	}
	if b.file != nil {
		if err := b.file.save(rows); err != nil {
			return err
		}
	}
	b.set.Store(newBanSet(rows))
	return nil
}

// find returns the ban that covers a peer; nil when there is none.
func (b *bans) find(addr netip.Addr, identity string) *ban {
	set := b.set.Load()
	if set == nil { // not even the clock is read
		return nil
	}
	return set.find(addr, identity, time.Now())
}

// banned reports whether a peer that wants to connect is banned, and by whom, until when and why; it counts the refusal. The identity
// is that of a verified certificate; empty when there is none, or it is not known yet.
func (s *Server) banned(addr netip.Addr, identity string) (text string, yes bool) {
	b := s.bans.find(addr, identity)
	if b == nil {
		return "", false
	}
	b.refused.Add(1)
	return b.text(), true
}

// endIfBanned closes a connection that was admitted while a ban of its peer was made. It is called when the connection is in the
// registry: who makes a ban publishes it first and then goes through the registry, so that at least one of the two sees the other.
func (c *Conn) endIfBanned() {
	if c.owner.server.bans.set.Load() == nil {
		return
	}
	if b := c.owner.server.bans.find(c.identity.Remote.Addr(), c.identity.Known().Identity); b != nil {
		c.endFor(b)
	}
}

// endFor closes a connection for a ban of its peer. It returns false when it is ending already.
func (c *Conn) endFor(b *ban) bool {
	return c.end(ending{reason: ReasonBanned, text: b.reason, by: b.createdBy, answering: true}, banFlush)
}

// reportDamage tells of a ban file that was damaged, in the log and in an ERROR event.
func (s *Server) reportDamage(damage error) {
	s.config.Logger.Error("bans are lost", "error", damage)
	s.log.Append(&event.Event{Type: event.Error, Detail: &event.ErrorDetail{Operation: event.OpBanFile, Message: event.ShortText(damage.Error()), Count: 1}})
}

// closeBans lets another server have the ban file.
func (s *Server) closeBans() {
	if err := s.bans.close(); err != nil {
		s.config.Logger.Warn("closing the ban file failed", "error", err)
	}
}
