package remote

import (
	"errors"
	"fmt"
	"regexp"
	"time"
	"unicode/utf8"
)

// The bounds of the contract.
const (
	MaxData     = 1 << 20 // bytes of data of a command, and of all changes of a connection that wait
	MaxState    = 4 << 10 // bytes of a connection's state
	MaxLabels   = 16      // labels of a connection
	maxKey      = 63
	maxValue    = 256
	minWindow   = 4 << 10
	maxWindow   = 1 << 20
	maxLanes    = 1024
	maxDrain    = time.Hour
	minIdle     = 10 * time.Millisecond
	maxIdle     = 10 * 365 * 24 * time.Hour
	maxInstance = 64
)

// The errors of sends and changes. A change that fails changes nothing.
var (
	// ErrClosed says that the connection is closing, has closed, or belongs to another lane.
	ErrClosed = errors.New("remote: the connection is closed, or belongs to another lane")
	// ErrDropped says that a send did not fit in what a connection may hold before a command is complete. No byte of it
	// was sent.
	ErrDropped = errors.New("remote: no byte was sent: the changes of a connection that wait for the end of a call, or " +
		"for Done, hold at most 1 MiB of data")
	// ErrDone says that Answer.Done was called before.
	ErrDone = errors.New("remote: the answer is done")
	// ErrTooManyLabels says that the connection would have more than MaxLabels labels.
	ErrTooManyLabels = errors.New("remote: a connection has at most 16 labels; remove some first")
)

var (
	handlerName  = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)
	instanceName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
)

func checkState(state []byte) error {
	if len(state) > MaxState {
		return fmt.Errorf("remote: a state of %d bytes: expected at most %d", len(state), MaxState)
	}
	return nil
}

func checkKey(key string) error {
	valid := len(key) >= 1 && len(key) <= maxKey
	for i := range len(key) {
		b := key[i]
		valid = valid && ('a' <= b && b <= 'z' || '0' <= b && b <= '9' || b == '.' || b == '_' || b == '-')
	}
	if !valid {
		return fmt.Errorf("remote: label key %.70q: expected [a-z0-9._-]{1,63}", key)
	}
	return nil
}

func checkLabel(key, value string) error {
	if len(value) > maxValue || !utf8.ValidString(value) {
		return fmt.Errorf("remote: label %.70q = %.300q: expected a value of at most 256 bytes of UTF-8", key, value)
	}
	return checkKey(key)
}

func checkInstance(name string) error {
	if !instanceName.MatchString(name) {
		return fmt.Errorf("remote: instance %.70q: expected 1 to 64 of [A-Za-z0-9._-]", name)
	}
	return nil
}

func checkIdle(d time.Duration) error {
	if d != 0 && (d < minIdle || d > maxIdle) {
		return fmt.Errorf("remote: an idle timeout of %s: expected 0, or 10 ms to 10 years", d)
	}
	return nil
}
