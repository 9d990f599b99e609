package event

import (
	"strings"
)

const (
	// MaxPeerText is the most bytes that are kept of a text in a PROXY header. A host name has up to 253 bytes, a
	// protocol's name up to 255.
	MaxPeerText = 255
	// MaxIdentity is the most bytes of an identity. A longer one is refused, because a shortened one could be another
	// peer's.
	MaxIdentity = 1024
)

// MaxText is the most bytes of a close text, a reason or an error's message in an event.
const MaxText = 256

// ShortText makes a text fit for the record: at most MaxText bytes of UTF-8.
func ShortText(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), MaxText)], "")
}

// PeerText makes a text from outside fit for records: at most MaxPeerText bytes of UTF-8.
func PeerText(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), MaxPeerText)]), "")
}
