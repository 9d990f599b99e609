package transport

import (
	"errors"
	"fmt"
)

const (
	// recordHeader is the length of a record's header: type, version, length (RFC 8446, 5.1).
	recordHeader = 5
	// maxRecord is the most bytes of a TLS 1.2 record with its header. TLS 1.3 records are shorter.
	maxRecord = recordHeader + 16384 + 2048
	// recordHandshake is the type of a record with handshake messages, and messageHello that of a ClientHello.
	recordHandshake, messageHello = 22, 1
	// messageHeader is the length of a handshake message's header: type and length.
	messageHeader = 4
	// maxHello is the most bytes of a ClientHello's records. Real ones have 0.2 to 4 KiB.
	maxHello = 64 << 10
	// freeHello is how much of a ClientHello may always be kept. Real ones fit. All bytes beyond it share helloBudget,
	// so that a crowd of peers that send large ones and stop cannot use up memory.
	freeHello   = 4 << 10
	helloBudget = 32 << 20
	// helloPiece is the most bytes of a ClientHello's record that crypto/tls is given. With its header, such a record
	// fits into the buffer that crypto/tls makes for the shortest record.
	helloPiece = 512
)

// tlsHello checks whether a ClientHello is complete. A handshake that began earlier would have a goroutine that waits
// for its peer.
type tlsHello struct {
	next int // where the next record begins
	have int // bytes of the message in the records before it
	want int // bytes of the message; 0 while its header is not complete
	head [messageHeader]byte
}

// errHelloBudget says that large ClientHellos take too much memory together.
var errHelloBudget = fmt.Errorf("tls handshake: a ClientHello of more than %d bytes, "+
	"and others have taken the %d MiB that such ones may have together", freeHello, helloBudget>>20)

// errNotTLS says that the peer does not speak TLS.
var errNotTLS = errors.New("tls handshake: the peer does not speak TLS; connect with TLS, or to a listener without it")

// complete reports whether p, all bytes received so far, contains a whole ClientHello. It returns an error as soon as p
// cannot be the beginning of one.
func (h *tlsHello) complete(p []byte) (bool, error) {
	for {
		rest := p[h.next:]
		if err := checkRecord(rest); err != nil {
			return false, err
		}
		if len(rest) < recordHeader {
			return false, tooLong(h.next)
		}
		length := int(rest[3])<<8 | int(rest[4])
		if err := h.check(rest[recordHeader:min(len(rest), recordHeader+length)]); err != nil {
			return false, err
		}
		if len(rest) < recordHeader+length {
			return false, tooLong(h.next + recordHeader + length)
		}
		h.have += length
		h.next += recordHeader + length
		if h.want > 0 && h.have >= h.want {
			return true, nil
		}
	}
}

// checkRecord returns an error when p is not the beginning of a record with a handshake message.
func checkRecord(p []byte) error {
	switch {
	case len(p) > 0 && p[0] != recordHandshake, len(p) > 1 && p[1] != 3:
		return errNotTLS
	case len(p) < recordHeader:
		return nil
	}
	if n := int(p[3])<<8 | int(p[4]); n == 0 || n > maxPlain {
		return fmt.Errorf("tls handshake: a handshake record of %d bytes; expected 1 to %d", n, maxPlain)
	}
	return nil
}

// check examines the message's header in body, the part of a record's bytes that has come.
func (h *tlsHello) check(body []byte) error {
	if h.have >= messageHeader {
		return nil
	}
	n := h.have + copy(h.head[h.have:], body)
	if n > 0 && h.head[0] != messageHello {
		return fmt.Errorf("tls handshake: the first message has type %d; expected a ClientHello, %d", h.head[0], messageHello)
	}
	if n < messageHeader {
		return nil
	}
	h.want = messageHeader + int(h.head[1])<<16 + int(h.head[2])<<8 + int(h.head[3])
	return tooLong(h.want)
}

// tooLong returns an error when a ClientHello, or its records, has more than maxHello bytes.
func tooLong(n int) error {
	if n > maxHello {
		return fmt.Errorf("tls handshake: a ClientHello of %d bytes or more; expected at most %d", n, maxHello)
	}
	return nil
}

// inPieces returns p, which contains a whole ClientHello, with the ClientHello cut into records of at most helloPiece
// bytes. crypto/tls keeps a buffer for the largest record as long as the connection lives, and the ClientHello is often
// the largest. Record boundaries have no meaning: the client could have cut its message in the same way (RFC 8446,
// 5.1).
func (h *tlsHello) inPieces(p []byte) []byte {
	cut := make([]byte, 0, len(p)+recordHeader*(1+len(p)/helloPiece))
	for rest := p[:h.next]; len(rest) > 0; {
		size := recordSize(rest)
		for body := rest[recordHeader:size]; len(body) > 0; {
			n := min(len(body), helloPiece)
			cut = append(cut, rest[0], rest[1], rest[2], byte(n>>8), byte(n))
			cut, body = append(cut, body[:n]...), body[n:]
		}
		rest = rest[size:]
	}
	return append(cut, p[h.next:]...)
}

// recordSize returns the length of the record that p begins with; 0 when too little of it is there. For a length that
// no record can have, it returns the header's length, so that crypto/tls refuses the record with the right alert.
func recordSize(p []byte) int {
	if len(p) < recordHeader {
		return 0
	}
	if n := recordHeader + int(p[3])<<8 + int(p[4]); n <= maxRecord {
		return n
	}
	return recordHeader
}
