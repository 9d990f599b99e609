package transport

import "io"

// maxPlain is the most plaintext of a record.
const maxPlain = 16384

// deliver decrypts p and hands the plaintext on, in one call if it fits into plainSize. The caller holds mu, which
// deliver releases.
func (t *tlsSocket) deliver(p []byte, at Moment) {
	plain := t.layer.plains.Get().(*[plainSize]byte)
	for len(p) > 0 && !t.has(tlsReadOver|tlsClosing) {
		n, rest, err := t.decrypt(plain[:], p)
		t.kick()
		t.mu.Unlock()
		if n > 0 {
			t.upper.Received(plain[:n], at)
		}
		if err != nil {
			t.endReading(err)
		}
		p = rest
		t.mu.Lock()
	}
	t.mu.Unlock()
	t.layer.plains.Put(plain)
}

// decrypt fills out with the plaintext of the records that p completes. It returns the length of the plaintext, and the
// rest of p when out is full. It keeps the beginning of a record until the rest comes. The caller holds mu.
func (t *tlsSocket) decrypt(out, p []byte) (n int, rest []byte, err error) {
	for len(out)-n >= maxPlain {
		t.wire, p = t.nextRecord(p)
		if t.wire == nil {
			return n, nil, nil
		}
		m, err := t.conn.Read(out[n:])
		n += m
		t.wire = nil
		t.layer.release(t.record)
		t.record = nil
		if err != nil && err != error(nothingYet{}) {
			return n, nil, err
		}
	}
	return n, p, nil
}

// nextRecord returns the next whole record of the kept bytes and p, and the rest of p. If no whole record is available,
// the bytes are kept and nil is returned. The caller holds mu, and releases the kept bytes when it has used the record.
func (t *tlsSocket) nextRecord(p []byte) (record, rest []byte) {
	if size := recordSize(p); t.record == nil && size > 0 && size <= len(p) {
		return p[:size], p[size:]
	}
	for len(p) > 0 {
		if t.record == nil {
			t.record = t.layer.buffer(max(recordHeader, recordSize(p)))
		}
		kept := t.record.bytes
		want := max(recordHeader, recordSize(kept))
		if want > cap(kept) { // only the header had come when the buffer was made, or less
			t.record = t.layer.buffer(want)
			kept = append(t.record.bytes, kept...)
		}
		n := min(want-len(kept), len(p))
		t.record.bytes, p = append(kept, p[:n]...), p[n:]
		if kept = t.record.bytes; len(kept) == recordSize(kept) {
			return kept, p
		}
	}
	return nil, nil
}

// readEnd returns the meaning that an end of the raw socket's reading has for the upper endpoint. FIN without
// close_notify is an orderly end only after close_notify was sent to the peer: many peers then close at once, and the
// gateway waits for no answer. The caller holds mu.
func (t *tlsSocket) readEnd(err error) error {
	if err == io.EOF && (t.record != nil || !t.has(tlsFinished)) {
		return ErrTruncated
	}
	return err
}
