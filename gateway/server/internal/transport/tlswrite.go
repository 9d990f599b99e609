package transport

import (
	"errors"
	"net"
)

const (
	// writeSize is the most plaintext that is encrypted before the kernel takes it. It bounds the bytes that a connection
	// holds twice: as plaintext in the server's queue, and as ciphertext here.
	writeSize = maxPlain
	// maxPending is the most ciphertext of crypto/tls itself, beyond writeSize, that may wait before reading pauses.
	maxPending = 2 * maxRecord
)

// errClosing is the error of a write after close_notify.
var errClosing = errors.New("tls: nothing can be written behind close_notify")

// TryWrite implements Socket. It encrypts p in parts of at most writeSize. A part counts as taken when the kernel has
// taken all of its ciphertext.
func (t *tlsSocket) TryWrite(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for {
		switch err := t.push(); {
		case err != nil:
			return n, err
		case t.pending != nil:
			return n, nil
		}
		taken := min(t.committed, len(p)-n) // from an earlier call
		t.committed -= taken
		if n += taken; n == len(p) {
			return n, nil
		}
		if err := t.encrypt(p[n:]); err != nil {
			return n, err
		}
	}
}

// push gives the raw socket the pending ciphertext, unless a flush does that. FIN follows the last of it. The caller
// holds mu.
func (t *tlsSocket) push() error {
	if err := t.writable(); err != nil {
		return err
	}
	if t.pending == nil || t.has(tlsFlushing) {
		return nil
	}
	n, err := t.raw.TryWrite(t.pending.rest())
	if err != nil {
		return t.stopWriting(err)
	}
	return t.took(n)
}

// writable returns why nothing can be written any more; nil while writing is possible. The caller holds mu.
func (t *tlsSocket) writable() error {
	if t.has(tlsClosed) {
		return net.ErrClosed
	}
	return t.writeErr
}

// stopWriting records that writing failed. The caller holds mu.
func (t *tlsSocket) stopWriting(err error) error {
	t.writeErr = err
	t.layer.release(t.pending)
	t.pending = nil
	return err
}

// took records how much of the pending ciphertext the raw socket took. The caller holds mu.
func (t *tlsSocket) took(n int) error {
	if n > 0 {
		t.flags |= tlsMoved
	}
	if t.pending == nil { // writing failed meanwhile
		return nil
	}
	if t.pending.done += n; len(t.pending.rest()) > 0 {
		return nil
	}
	t.layer.release(t.pending)
	t.pending = nil
	t.regulate()
	if !t.has(tlsFinish) {
		return nil
	}
	t.flags &^= tlsFinish
	return t.raw.CloseWrite()
}

// encrypt encrypts up to writeSize bytes of p, commits to them, and writes as much as the kernel takes. The caller
// holds mu, and nothing is committed.
func (t *tlsSocket) encrypt(p []byte) error {
	if t.has(tlsFinished) {
		return errClosing
	}
	n := min(len(p), writeSize)
	t.committed = n
	_, err := t.conn.Write(p[:n])
	return err
}

// put writes ciphertext behind the pending one. The caller holds mu.
func (t *tlsSocket) put(p []byte) error {
	if err := t.writable(); err != nil {
		return err
	}
	if t.pending == nil && !t.has(tlsFlushing) {
		n, err := t.raw.TryWrite(p)
		if err != nil {
			return t.stopWriting(err)
		}
		p = p[n:]
	}
	if len(p) == 0 {
		return nil
	}
	if t.pending == nil {
		t.pending = t.layer.buffer(len(p))
	}
	t.pending.bytes = append(t.pending.bytes, p...)
	return nil
}

// CloseWrite implements Socket: it sends close_notify, and FIN behind it.
func (t *tlsSocket) CloseWrite() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.notify(); err != nil {
		return err
	}
	if t.pending == nil {
		return t.raw.CloseWrite()
	}
	t.flags |= tlsFinish
	t.kick()
	return nil
}

// notify sends close_notify once. The caller holds mu.
func (t *tlsSocket) notify() error {
	if err := t.push(); err != nil || t.has(tlsFinished) {
		return err
	}
	t.flags |= tlsFinished
	return t.conn.CloseWrite()
}
