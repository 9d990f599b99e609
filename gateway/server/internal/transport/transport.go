// Package transport has the engines that accept connections and move bytes between their sockets and the server.
//
// # Who owns what
//
// A socket's descriptor belongs to one loop, which alone closes it. Another goroutine touches it only through the Socket's
// methods, which hold the socket's lock and check that it is still open; so no byte ever reaches a descriptor that was
// closed and used again for another peer. The other way round, the kernel may report what happens at a socket whose descriptor was
// closed: closing does not end an epoll's interest while a child that was just forked has a copy of the descriptor (epoll(7)).
// Such a report is told from one of the descriptor's new owner by the socket's generation, which comes with it.
//
// # Lock order
//
// An Endpoint calls its Socket with the connection's lock held; the socket's lock is taken inside it, and inside that only a
// loop's list of posted sockets. An engine calls its Endpoints and Admissions without any lock but the acceptor's, which is held
// during Admit and AcceptFailed.
//
// A TLS socket lies between a connection and the raw socket: its lock is taken inside the connection's, and inside it come the locks of
// its crypto/tls connection, then the raw socket's; or the layer's list of handshakes, inside which nothing is locked. It calls
// its upper Endpoint and Handshake without any lock, from the raw socket's calls, or while it hands over from its handshake's goroutine.
package transport

import (
	"net"
	"net/netip"
	"time"
)

// Engine accepts connections and moves bytes for many sockets.
type Engine interface {
	// Name is what users call the engine: `net` or `epoll`.
	Name() string
	// Accept takes over a listening socket, and hands its connections to the admission until the acceptor is closed. When it
	// returns an error, the listening socket is still the caller's.
	Accept(net.Listener, Admission) (Acceptor, error)
	// Wait blocks until every socket has been closed, and ends the engine. Call it when every acceptor is closed; the engine
	// cannot be used afterwards.
	Wait()
}

// Acceptor accepts on one listening socket.
type Acceptor interface {
	// Close stops accepting and closes the listening socket; connections that wait in the kernel are reset. No call of the
	// admission is under way when it returns. Call it once, and not from the admission.
	Close() error
}

// Admission is the server's side of a listening socket. Its calls may come from several goroutines, and must not block.
type Admission interface {
	// Admit returns the endpoint of a new connection, or nil, which closes it at once. Until Endpoint.Opened, the socket may
	// only be closed.
	Admit(s Socket, remote, local netip.AddrPort) Endpoint
	// AcceptFailed notes an error of accepting, and returns how long to wait before the next try.
	AcceptFailed(err error) time.Duration
}

// Socket is one accepted connection. Its methods do not block and may be called from any goroutine; those that write
// (TryWrite, Flush, CloseWrite) only from Endpoint.Opened on.
type Socket interface {
	// TryWrite gives the kernel as much of p as it takes at once: 0 and no error when it has no room. It must not be called
	// while a flush is under way. What it did not take has to come first in the next TryWrite, or in Endpoint.NextWrite, or never:
	// with TLS, the beginning of it may be encrypted already.
	TryWrite(p []byte) (int, error)
	// Flush begins to take bytes from Endpoint.NextWrite until that has none. It must not be called while a flush is under
	// way. It returns false when the socket is closing and nothing will be written any more.
	Flush() bool
	// Pause stops reading: at most one Received follows that was on its way already.
	Pause()
	// Resume reads again.
	Resume()
	// Unacknowledged returns how many bytes the kernel has taken that the peer's kernel has not acknowledged, a FIN counting as one;
	// -1 where that cannot be known.
	Unacknowledged() int
	// CloseWrite sends FIN behind what the kernel has taken.
	CloseWrite() error
	// Close makes the loop close the descriptor and call Endpoint.Closed. With reset, what the kernel has not sent yet is
	// thrown away and the peer gets RST. Calls after the first do nothing.
	Close(reset bool)
}

// Endpoint is the server's side of a socket. Opened, Received, Ended, Failed and Closed never overlap and come in the order
// Opened, Received*, (Ended or Failed)?, Closed. NextWrite and Wrote alternate, and may overlap with the others until
// Closed.
type Endpoint interface {
	// Opened is the first call.
	Opened()
	// Received has bytes from the peer, read at a moment; p is valid only during the call.
	Received(p []byte, at Moment)
	// Ended says that the peer finished writing.
	Ended()
	// Failed says that reading failed; nothing more will be received.
	Failed(err error)
	// NextWrite returns the next bytes to write, and until when to try. They must not change until Wrote. Empty: the flush
	// is over.
	NextWrite() (p []byte, deadline Moment)
	// Wrote says how many bytes of NextWrite the kernel took, and what stopped it: os.ErrDeadlineExceeded at the deadline. Neither:
	// with TLS, the kernel took some of the ciphertext of those bytes by then, so the peer makes progress.
	Wrote(n int, err error)
	// Closed is the last call: the descriptor is closed and no flush is under way.
	Closed()
}
