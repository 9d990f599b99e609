package proxyheader

import (
	"bytes"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

// FuzzProxyHeader holds for any bytes in any two pieces that the header does not panic, keeps a bounded number of them,
// loses none, and finds the same as in one piece.
func FuzzProxyHeader(f *testing.F) {
	for _, seed := range []string{"", "P", "PROXY UNKNOWN\r\nrest",
		"PROXY TCP4 203.0.113.7 198.51.100.1 40000 443\r\nrest", "PROXY TCP6 2001:db8::7 2001:db8::1 40000 443\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc6\x33\x64\x01\x9c\x40\x01\xbbrest",
		"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00rest", "\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x03\x04\x00\x00"} {
		f.Add([]byte(seed), uint16(len(seed)/2))
	}
	f.Fuzz(func(t *testing.T, all []byte, at uint16) {
		whole, state, failed := collect(t, all)
		split := min(int(at), len(all))
		pieces, stateOfPieces, failedToo := collect(t, all[:split], all[split:])
		if !bytes.Equal(whole, pieces) || state != stateOfPieces || failed != failedToo {
			t.Fatalf("in one piece %q, %d, failed %v; in two %q, %d, failed %v", whole, state, failed, pieces, stateOfPieces,
				failedToo)
		}
		if state != Complete || failed {
			return
		}
		found, err := Parse(whole)
		again, errAgain := Parse(pieces)
		if found != again || (err == nil) != (errAgain == nil) {
			t.Fatalf("%q is %+v, %v, and then %+v, %v", whole, found, err, again, errAgain)
		}
		if p := found.Peer; len(p.Identity) > event.MaxIdentity ||
			len(p.Protocol)+len(p.ServerName)+len(p.TLSVersion)+len(p.Cipher) > 4*event.MaxPeerText {
			t.Fatalf("%+v is too long", p)
		}
	})
}

// collect adds pieces to a header until it is complete, absent or wrong, and returns the bytes that it kept.
func collect(t *testing.T, pieces ...[]byte) (kept []byte, state State, failed bool) {
	var h Header
	state = Undecided
	for i, p := range pieces {
		before := bytes.Clone(h.Bytes)
		n, next, err := h.Add(p)
		if len(h.Bytes) > proxyV2+maxProxyV2 || n > len(p) || !bytes.Equal(h.Bytes, append(before, p[:n]...)) {
			t.Fatalf("%d bytes of %q were taken, and %q kept after %q", n, p, h.Bytes, before)
		}
		state = next
		switch {
		case err != nil:
			return nil, state, true
		case state == Absent && n == 0:
			return nil, state, false
		case state == Complete:
			return h.Bytes, state, false
		case n != len(p):
			t.Fatalf("piece %d: %d of %d bytes were taken of a header that is not complete", i, n, len(p))
		}
	}
	return h.Bytes, state, false
}
