//go:build !linux

package transport

import "errors"

// Names lists the engines of this system, the default first. It must not be modified.
var Names = []string{Net}

// newEpoll returns an error: only Linux has epoll.
func newEpoll(Clock, int) (Engine, error) {
	return nil, errors.New("engine epoll: it is for Linux; use net")
}
