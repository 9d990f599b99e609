package member

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/sockgate/sockgate/gateway/event"
)

// life is one process with a node's name.
type life struct {
	incarnation string // the greater, the younger, as far as the clock was right
	instance    string // instanceSize bytes
}

// newLife returns the life of this process.
func newLife(incarnation string) life {
	var instance [instanceSize]byte
	_, _ = rand.Read(instance[:]) // never fails: crypto/rand ends the process instead
	return life{incarnation: incarnation, instance: string(instance[:])}
}

// parseLife reads the sender's life from a message.
func parseLife(incarnation string, instance []byte) (life, error) {
	if !event.ValidIncarnation(incarnation) {
		return life{}, fmt.Errorf("incarnation %.50q; expected 1 to 16 hex digits", incarnation)
	}
	if len(instance) != instanceSize {
		return life{}, fmt.Errorf("an instance of %d bytes; expected %d", len(instance), instanceSize)
	}
	return life{incarnation: incarnation, instance: string(instance)}, nil
}

// compare orders the lives of one name: the greater is the younger.
func (l life) compare(other life) int {
	return cmp.Or(event.CompareIncarnations(l.incarnation, other.incarnation), strings.Compare(l.instance, other.instance))
}
