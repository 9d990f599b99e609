// Package label has the bounds of a connection's labels, and changes them.
package label

import (
	"fmt"
	"maps"
	"unicode/utf8"
)

const (
	// Max is the most labels of a connection.
	Max = 16
	// MaxKey is the most bytes of a key.
	MaxKey = 63
	// MaxValue is the most bytes of a value.
	MaxValue = 256
)

// ValidKey reports whether k can be a label's key: [a-z0-9._-]{1,63}.
func ValidKey(k string) bool {
	if len(k) < 1 || len(k) > MaxKey {
		return false
	}
	for i := range len(k) {
		b := k[i]
		if !('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '.' || b == '_' || b == '-') {
			return false
		}
	}
	return true
}

// Check says which bound a label is out of.
func Check(key, value string) error {
	if ValidKey(key) && len(value) <= MaxValue && utf8.ValidString(value) {
		return nil
	}
	return fmt.Errorf("label %.70q = %.300q: expected a key of [a-z0-9._-]{1,63} and a value of at most 256 bytes of "+
		"UTF-8", key, value)
}

// Changed returns labels with set added after remove is gone, in memory of their own; nil when there are none. It
// returns false when there would be more than Max.
func Changed(labels, set map[string]string, remove []string) (map[string]string, bool) {
	changed := make(map[string]string, len(labels)+len(set))
	maps.Copy(changed, labels)
	for _, key := range remove {
		delete(changed, key)
	}
	maps.Copy(changed, set)
	switch {
	case len(changed) > Max:
		return nil, false
	case len(changed) == 0:
		return nil, true
	}
	return changed, true
}
