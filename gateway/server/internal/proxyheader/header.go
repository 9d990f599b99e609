// Package proxyheader collects and reads PROXY headers, versions 1 and 2, of HAProxy's proxy-protocol.txt.
package proxyheader

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

// Header collects the bytes of a PROXY header, which may come in any pieces. It keeps at most proxyV2 + maxProxyV2
// of them.
type Header struct{ Bytes []byte }

// State says how much of a PROXY header has come.
type State int

// The states, from nothing to a whole header.
const (
	Absent      State = iota // the first bytes are those of something else
	Undecided                // they may be those of one, or of something else
	headerBegun              // they are those of one, which is not complete
	Complete
)

// Add takes bytes that came. When the header is complete, n of them are of it, and h.bytes is the header; when there is
// none, n is 0, and what came before is in h.bytes; else all of them are kept. The error says that it is too long.
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

// Measure says how much of a PROXY header there is at the start of b, and how long the header is when it is
// complete.
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

// measureV1 finds the end of the line that is a header of version 1.
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
