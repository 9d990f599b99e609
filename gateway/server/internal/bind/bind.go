// Package bind opens listening sockets.
package bind

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
)

// UnixScheme begins the address of a unix socket.
const UnixScheme = "unix://"

// Listen opens an address in the operator's notation: `host:port`, or `unix:///path`. It replaces the socket file of a
// process that has ended. The error names the address and says what to do.
func Listen(address string) (net.Listener, error) {
	network, place := "tcp", address
	if path, ok := strings.CutPrefix(address, UnixScheme); ok {
		network, place = "unix", path
		if err := removeStale(path); err != nil {
			return nil, err
		}
	}
	// Go's listeners accept Multipath TCP by default. Linux before 6.10 refuses to set keep-alive on its sockets.
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	ln, err := config.Listen(context.Background(), network, place)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("address %s is in use; is another gateway running? stop it, or listen on another address",
			address)
	}
	switch {
	case malformed(err):
		return nil, fmt.Errorf("cannot listen on %s: expected host:port or unix:///path: %w", address, cause(err))
	case err != nil:
		return nil, fmt.Errorf("cannot listen on %s: %w", address, cause(err))
	}
	if u, ok := ln.(*net.UnixListener); ok {
		return newUnixListener(u, place)
	}
	return ln, nil
}

// malformed reports whether an error is about the text of an address: its form, or a port that has no number.
func malformed(err error) bool {
	var form *net.AddrError
	var lookup *net.DNSError
	return errors.As(err, &form) || errors.As(err, &lookup) && lookup.IsNotFound
}

// unixListener removes its socket file when it is closed, unless that is another's by then: a successor may have
// replaced it.
type unixListener struct {
	*net.UnixListener
	path   string
	file   os.FileInfo
	closed sync.Once
}

func newUnixListener(u *net.UnixListener, path string) (net.Listener, error) {
	u.SetUnlinkOnClose(false)
	file, err := os.Lstat(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("unix socket %s has vanished: %w", path, err), u.Close())
	}
	return &unixListener{UnixListener: u, path: path, file: file}, nil
}

// Close stops listening and removes the socket file. A second Close removes nothing.
func (l *unixListener) Close() error {
	var unlinked error
	l.closed.Do(func() {
		now, err := os.Lstat(l.path)
		if err == nil && os.SameFile(now, l.file) {
			err = os.Remove(l.path)
		}
		if !errors.Is(err, os.ErrNotExist) {
			unlinked = err
		}
	})
	return errors.Join(l.UnixListener.Close(), unlinked)
}

// cause returns the error without the address, which the sentence around it names already.
func cause(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// removeStale removes the socket file of a process that has ended. It leaves a file alone that still answers.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // no file, or one that net.Listen will refuse
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		_ = c.Close() // it was only a probe
	}
	if !errors.Is(err, syscall.ECONNREFUSED) { // a full backlog or a missing right gives other errors
		return fmt.Errorf("unix socket %s is in use by another process; stop it, or listen on another path", path)
	}
	return os.Remove(path)
}
