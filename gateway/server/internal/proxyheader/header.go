// Package proxyheader collects and reads PROXY headers, versions 1 and 2, of HAProxy's proxy-protocol.txt.
package proxyheader

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The bounds of a PROXY header, whose bytes stay in memory until it is complete.
const (
	maxProxyV1 = 107                      // bytes of a header of version 1, with CR LF, as the protocol bounds it
	proxyV2    = 16                       // bytes of a header of version 2 up to and with its length field
	maxProxyV2 = 4 << 10                  // greatest value of the length field; has room for a certificate
	signature1 = "PROXY "                 // beginning of version 1
	signature2 = "\r\n\r\n\x00\r\nQUIT\n" // beginning of version 2
)

// Header collects the bytes of a PROXY header, which may come in any pieces. The zero value is empty. It is for one
// goroutine at a time.
type Header struct{ Bytes []byte }

// State says how much of a PROXY header has come.
type State int

// The states, from no header to a whole one.
const (
	Absent      State = iota // the first bytes begin no header
	Undecided                // the bytes may begin a header, or something else
	headerBegun              // the bytes begin a header, which is not complete
	Complete                 // the whole header has come
)

// Add takes the next bytes from the peer; n of them are kept in Bytes. With Complete, Bytes is exactly the header, and
// p[n:] follows it. With Absent, n is 0, and Bytes are the earlier bytes. In every other state all of p is kept. The
// error says that the header is too long; n is 0 then.
func (h *Header) Add(p []byte) (n int, state State, err error) {
	before := len(h.Bytes)
	all := append(h.Bytes, p[:min(len(p), proxyV2+maxProxyV2-before)]...)
	length, state, err := Measure(all)
	switch {
	case err != nil || state == Absent:
		return 0, state, err
	case state == Complete:
		all = all[:length]
	}
	h.Bytes = all
	return len(all) - before, state, nil
}

// Measure says how much of a PROXY header is at the start of b. With Complete, length is the header's length in bytes.
// The error says that the header is longer than its bound.
func Measure(b []byte) (length int, state State, err error) {
	switch {
	case bytes.HasPrefix(b, []byte(signature1)):
		return measureV1(b)
	case bytes.HasPrefix(b, []byte(signature2)):
		return measureV2(b)
	case bytes.HasPrefix([]byte(signature1), b) || bytes.HasPrefix([]byte(signature2), b):
		return 0, Undecided, nil
	}
	return 0, Absent, nil
}

// measureV1 looks for the end of the line that is a header of version 1.
func measureV1(b []byte) (length int, state State, err error) {
	end := bytes.IndexByte(b[:min(len(b), maxProxyV1)], '\n')
	switch {
	case end >= 0:
		return end + 1, Complete, nil
	case len(b) >= maxProxyV1:
		return 0, headerBegun, fmt.Errorf("version 1: no end of the line within %d bytes", maxProxyV1)
	}
	return 0, headerBegun, nil
}

// measureV2 reads the length of a header of version 2.
func measureV2(b []byte) (length int, state State, err error) {
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
	return proxyV2 + rest, Complete, nil
}
