//go:build amd64 || arm64

package event

import (
	"testing"
	"unsafe"
)

// TestSizes holds the memory of an event that docs/events.md tells. The fields of remote handlers make neither a record
// nor the extra of other connections larger.
func TestSizes(t *testing.T) {
	for name, c := range map[string]struct{ got, most uintptr }{
		"record": {unsafe.Sizeof(record{}), 88},
		"extra":  {unsafe.Sizeof(extra{}), 64},
		"owned":  {unsafe.Sizeof(owned{}), 96}, // the size class of its 88 bytes
	} {
		if c.got > c.most {
			t.Errorf("%s takes %d bytes; expected at most %d", name, c.got, c.most)
		}
	}
}
