package server

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The bounds of a PROXY header, whose bytes wait in memory until it is complete.
const (
	maxProxyV1 = 107                      // bytes, with CR LF, as the protocol has it
	proxyV2    = 16                       // bytes before what the length in the last two of them counts
	maxProxyV2 = 4 << 10                  // the most that the length may say; room for a certificate
	signature1 = "PROXY "                 // of version 1
	signature2 = "\r\n\r\n\x00\r\nQUIT\n" // of version 2
)

// proxyHeader collects the bytes of a PROXY header, which may come in any pieces. It keeps at most proxyV2 + maxProxyV2 of them.
type proxyHeader struct{ bytes []byte }

// headerState says how much of a PROXY header has come.
type headerState int

const (
	headerAbsent    headerState = iota // the first bytes are those of something else
	headerUndecided                    // they may be those of one, or of something else
	headerBegun                        // they are those of one, which is not complete
	headerComplete
)

// add takes bytes that came. When the header is complete, n of them are of it, and h.bytes is the header; when there is none, n is 0, and
// what came before is in h.bytes; else all of them are kept. The error says that it is too long.
func (h *proxyHeader) add(p []byte) (n int, state headerState, err error) {
	before := len(h.bytes)
	all := append(h.bytes, p[:min(len(p), proxyV2+maxProxyV2-before)]...)
	length, state, err := measureHeader(all)
	switch {
	case err != nil || state == headerAbsent:
		return 0, state, err
	case state == headerComplete:
		all = all[:length]
	}
	h.bytes = all
	return len(all) - before, state, nil
}

// measureHeader says how much of a PROXY header there is at the start of b, and how long the header is when it is complete.
func measureHeader(b []byte) (length int, state headerState, err error) {
	switch {
	case bytes.HasPrefix(b, []byte(signature1)):
		return measureV1(b)
	case bytes.HasPrefix(b, []byte(signature2)):
		return measureV2(b)
	case bytes.HasPrefix([]byte(signature1), b) || bytes.HasPrefix([]byte(signature2), b):
		return 0, headerUndecided, nil
	}
	return 0, headerAbsent, nil
}

// measureV1 finds the end of the line that is a header of version 1.
func measureV1(b []byte) (length int, state headerState, err error) {
	end := bytes.IndexByte(b[:min(len(b), maxProxyV1)], '\n')
	switch {
	case end >= 0:
		return end + 1, headerComplete, nil
	case len(b) >= maxProxyV1:
		return 0, headerBegun, fmt.Errorf("version 1: no end of the line within %d bytes", maxProxyV1)
	}
	return 0, headerBegun, nil
}

// measureV2 reads the length of a header of version 2.
func measureV2(b []byte) (length int, state headerState, err error) {
	if len(b) < proxyV2 {
		return 0, headerBegun, nil
	}
	rest := int(binary.BigEndian.Uint16(b[proxyV2-2:]))
	switch {
	case rest > maxProxyV2:
		return 0, headerBegun, fmt.Errorf("version 2: the length is %d; expected at most %d", rest, maxProxyV2)
	case len(b) < proxyV2+rest:
		return 0, headerBegun, nil
	}
	return proxyV2 + rest, headerComplete, nil
}
