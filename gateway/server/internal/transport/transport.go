// Package transport holds the engines, which accept connections and move bytes between sockets and the server.
//
// # Ownership
//
// A socket's descriptor belongs to one loop, and only this loop closes it. Another goroutine touches the descriptor
// only through the Socket's methods, which hold the socket's lock and check that the socket is still open. So no byte
// reaches a descriptor that was closed and used again for another peer.
//
// The kernel may still report an event of a descriptor that was closed: closing does not end an epoll's interest while
// a child that was just forked has a copy of the descriptor (epoll(7)). Each report carries the socket's generation,
// which tells such a report from one about the descriptor's new owner.
//
// # Locks
//
// An Endpoint calls its Socket with the connection's lock held. An engine calls Endpoints and Admissions without any
// lock but the acceptor's, which it holds during Admit and AcceptFailed.
//
// A TLS socket lies between a connection and the raw socket. It calls its upper Endpoint and its Handshake without any
// lock, either within a call from the raw socket, or in the goroutine of its handshake during the handover.
//
// Lock order: docs/locks.md.
package transport

import (
	"net"
	"net/netip"
	"time"
)

// Engine accepts connections and moves bytes for many sockets. Name and Accept may be called from any goroutine.
type Engine interface {
	// Name returns the name that operators use: `net` or `epoll`.
	Name() string
	// Accept takes over a listening socket, and hands its connections to the admission until the acceptor is closed.
	// After an error, the listening socket still belongs to the caller.
	Accept(net.Listener, Admission) (Acceptor, error)
	// Wait blocks until every socket has been closed, and ends the engine. Call it once, when every acceptor is closed;
	// the engine cannot be used afterwards.
	Wait()
}

// Acceptor accepts on one listening socket.
type Acceptor interface {
	// Close stops accepting and closes the listening socket. Connections that wait in the kernel are reset. When Close
	// returns, no call of the admission is under way. Call it once, and not from the admission, which would deadlock.
	Close() error
}

// Admission is the server's side of a listening socket. Its calls may come from several goroutines, and must not block.
type Admission interface {
	// Admit returns the endpoint of a new connection; nil closes the connection at once. The addresses are zero for a
	// socket that is not TCP. Until Endpoint.Opened, the socket may only be closed.
	Admit(s Socket, remote, local netip.AddrPort) Endpoint
	// AcceptFailed receives an error of accepting, and returns how long the engine waits before the next try.
	AcceptFailed(err error) time.Duration
}

// Socket is one accepted connection. Its methods do not block and may be called from any goroutine. TryWrite, Flush and
// CloseWrite may be called only from Endpoint.Opened on.
type Socket interface {
	// TryWrite gives the kernel as much of p as it takes at once, and returns how much that was; 0 and no error when the
	// kernel takes nothing. It returns net.ErrClosed when the descriptor is closed. It must not be called during a flush.
	// Bytes that were not taken must come first in the next TryWrite or Endpoint.NextWrite, or never be written at all:
	// with TLS, some of them may be encrypted already.
	TryWrite(p []byte) (int, error)
	// Flush begins a flush, which takes bytes from Endpoint.NextWrite until that has none. It must not be called during a
	// flush. It returns false when the socket is closing and will write nothing any more.
	Flush() bool
	// Pause stops reading. At most one more Received follows, which was already on its way.
	Pause()
	// Resume starts reading again.
	Resume()
	// Unacknowledged returns how many bytes the kernel has taken and the peer's kernel has not acknowledged. A FIN counts
	// as one. It returns -1 where the number cannot be known.
	Unacknowledged() int
	// Gone reports whether the kernel has ended the connection, by a reset for example: the peer will not acknowledge
	// anything more. It is false where that cannot be known.
	Gone() bool
	// CloseWrite sends FIN behind the bytes that the kernel has taken.
	CloseWrite() error
	// Close makes the loop close the descriptor and call Endpoint.Closed. With reset, bytes that the kernel has not
	// sent yet are thrown away and the peer gets RST. Calls after the first do nothing.
	Close(reset bool)
}

// Endpoint is the server's side of a socket. Opened, Received, Ended, Failed and Closed never overlap and come in the
// order Opened, Received*, (Ended or Failed)?, Closed. NextWrite and Wrote alternate, and may overlap with the others
// until Closed.
type Endpoint interface {
	// Opened is the first call.
	Opened()
	// Received gets bytes from the peer, and the moment when they were read. p is valid only during the call.
	Received(p []byte, at Moment)
	// Ended says that the peer finished writing.
	Ended()
	// Failed says that reading failed. Nothing more will be received.
	Failed(err error)
	// NextWrite returns the next bytes to write, and the deadline for them. The bytes must not change until Wrote. Empty
	// bytes end the flush.
	NextWrite() (p []byte, deadline Moment)
	// Wrote says how many bytes of NextWrite the kernel took, and which error stopped it: os.ErrDeadlineExceeded at the
	// deadline. With TLS, 0 and no error mean that the kernel took a part of these bytes' ciphertext: the peer makes
	// progress.
	Wrote(n int, err error)
	// Closed is the last call. The descriptor is closed and no flush is under way.
	Closed()
}
