package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// acceptTurn is the most connections that a loop accepts on one listening socket in a turn.
const acceptTurn = 16

// epollAcceptor is a listening socket that every loop watches. The kernel wakes one loop for a connection
// (EPOLLEXCLUSIVE).
//
// Accepted TCP sockets inherit TCP_NODELAY and keep-alive from it (tcp(7)), which saves setting them for each
// connection.
type epollAcceptor struct {
	engine    *epollEngine
	admission Admission
	ln        net.Listener // Close closes it; nil when take has closed it already
	tcp       bool
	local     netip.AddrPort // of every connection; the zero value when each connection must be asked

	mu      sync.Mutex // held while accepting, also during Admit and AcceptFailed
	fd      int
	closed  bool
	retry   *time.Timer // runs after an accept error; nil when accepting is not suspended
	address sockaddr    // scratch space for the connection that is being accepted
}

// errNoDescriptor says that a listener is not a TCP or unix socket of the system. The epoll engine accepts only on
// these.
var errNoDescriptor = errors.New("engine epoll: the listener has no descriptor; use the engine net for it")

// Accept implements Engine: every loop accepts on the listener's socket.
func (e *epollEngine) Accept(ln net.Listener, admission Admission) (Acceptor, error) {
	a := &epollAcceptor{engine: e, admission: admission, ln: ln}
	if err := a.take(ln); err != nil {
		return nil, fmt.Errorf("accept on %s: %w", ln.Addr(), err)
	}
	e.acceptors.Store(a.fd, a)
	if err := a.add(); err != nil {
		return nil, errors.Join(fmt.Errorf("accept on %s: %w", ln.Addr(), err), a.Close())
	}
	return a, nil
}

// take duplicates the listener's descriptor. It closes the original of a TCP listener, because Go's own poller would
// wake for every connection. The original of a unix listener stays open until Close, which removes the socket's file.
func (a *epollAcceptor) take(ln net.Listener) error {
	c, ok := ln.(syscall.Conn)
	if !ok {
		return errNoDescriptor
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var duplicate error
	err = raw.Control(func(fd uintptr) {
		a.fd, duplicate = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err := errors.Join(err, duplicate); err != nil {
		return err
	}
	tcp, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	if err := inherit(a.fd); err != nil {
		closeDescriptor(a.fd)
		return err
	}
	a.tcp, a.ln = true, nil
	if !tcp.IP.IsUnspecified() {
		a.local = addrPort(tcp)
	}
	return ln.Close()
}

// inherit sets the options that accepted sockets inherit, to the values that the net package uses.
func inherit(fd int) error {
	for _, option := range []struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
	} {
		if err := unix.SetsockoptInt(fd, option.level, option.name, option.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// add makes every loop watch the listening socket.
func (a *epollAcceptor) add() error {
	for _, l := range a.engine.loops {
		if err := control(l.epfd, unix.EPOLL_CTL_ADD, a.fd, ofOther, unix.EPOLLIN|unix.EPOLLEXCLUSIVE); err != nil {
			return os.NewSyscallError("epoll_ctl", err)
		}
	}
	return nil
}

// remove makes the loops stop watching. It ignores errors: EPOLL_CTL_DEL fails only for a loop that does not watch,
// because add stopped half-way or remove ran before.
func (a *epollAcceptor) remove() {
	for _, l := range a.engine.loops {
		_ = control(l.epfd, unix.EPOLL_CTL_DEL, a.fd, ofOther, 0)
	}
}

// Close implements Acceptor.
func (a *epollAcceptor) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.retry != nil {
		a.retry.Stop()
	}
	a.engine.acceptors.Delete(a.fd)
	a.remove()
	closeDescriptor(a.fd)
	if a.ln == nil {
		return nil
	}
	return a.ln.Close()
}

// ready accepts a turn's connections. A loop calls it when connections wait.
func (a *epollAcceptor) ready() {
	for range acceptTurn {
		if !a.acceptOne() {
			return
		}
	}
}

// acceptOne accepts and starts one connection. It returns false when none waits, or when accepting is suspended.
func (a *epollAcceptor) acceptOne() bool {
	s, end, more := a.admitOne()
	if s != nil {
		s.start(end)
	}
	return more
}

// admitOne accepts a connection and asks the admission. It holds the lock meanwhile, so that Close returns only after
// the last call of Admit.
func (a *epollAcceptor) admitOne() (*epollSocket, Endpoint, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed || a.retry != nil {
		return nil, nil, false
	}
	fd, err := accept(a.fd, &a.address)
	switch {
	case err == unix.EAGAIN:
		return nil, nil, false
	case err == unix.ECONNABORTED: // the peer reset it while it waited
		return nil, nil, true
	case err == nil && fd >= maxDescriptor:
		closeDescriptor(fd)
		err = fmt.Errorf("descriptor %d: expected less than %d", fd, maxDescriptor)
	}
	if err != nil {
		a.waitAndRetry(a.admission.AcceptFailed(os.NewSyscallError("accept4", err)))
		return nil, nil, false
	}
	remote, local := a.address.addrPort(), a.local
	if a.tcp && !local.IsValid() {
		local = localAddress(fd, &a.address)
	}
	s := a.engine.newSocket(fd, a.tcp)
	end := a.admission.Admit(s, remote, local)
	if end == nil {
		s.abandon()
		a.engine.open.Done()
		return nil, nil, true
	}
	return s, end, true
}

// waitAndRetry stops watching for a while after an error. The caller holds mu.
func (a *epollAcceptor) waitAndRetry(d time.Duration) {
	a.remove()
	a.retry = time.AfterFunc(d, a.again)
}

// again resumes accepting when the wait is over.
func (a *epollAcceptor) again() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	a.retry = nil
	if err := a.add(); err != nil {
		a.waitAndRetry(a.admission.AcceptFailed(err))
	}
}
