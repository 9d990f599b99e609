//go:build !linux

package transport

import "errors"

// Names are the engines of this system, the default first.
var Names = []string{Net}

// newEpoll returns an error: epoll is of Linux.
func newEpoll(Clock, int) (Engine, error) {
	return nil, errors.New("engine epoll: it is for Linux; use net")
}
