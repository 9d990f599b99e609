// Package transport has the engines that move bytes between sockets and the server's connections.
//
// # Who owns what
//
// A socket's descriptor belongs to one loop, which alone closes it. Another goroutine touches it only through the Socket's
// methods, which hold the socket's lock and check that it is still open; so no byte ever reaches a descriptor that was
// closed and used again for another peer.
//
// # Lock order
//
// An Endpoint calls its Socket with the connection's lock held; the socket's lock is taken inside it and nothing is taken
// inside that. An engine calls its Endpoints without any lock.
package transport

import (
	"net"
	"time"
)

// Engine moves bytes for many sockets.
type Engine interface {
	// Name is what users call the engine: `net` or `epoll`.
	Name() string
	// Attach makes a socket of an accepted connection, which the engine owns from then on, and calls nothing yet.
	Attach(net.Conn) (Socket, error)
	// Wait blocks until every started socket has been closed.
	Wait()
}

// Socket is one attached connection. Its methods do not block and may be called from any goroutine; those that write
// (TryWrite, Flush, CloseWrite) only from Endpoint.Opened on.
type Socket interface {
	// Start begins to call the endpoint. Call it once.
	Start(Endpoint)
	// TryWrite gives the kernel as much of p as it takes at once: 0 and no error when it has no room. It must not be called
	// while a flush is under way.
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
	// Received has bytes from the peer; p is valid only during the call.
	Received(p []byte)
	// Ended says that the peer finished writing.
	Ended()
	// Failed says that reading failed; nothing more will be received.
	Failed(err error)
	// NextWrite returns the next bytes to write, and until when to try. They must not change until Wrote. Empty: the flush
	// is over.
	NextWrite() (p []byte, deadline time.Time)
	// Wrote says how many bytes of NextWrite the kernel took, and what stopped it: os.ErrDeadlineExceeded at the deadline.
	Wrote(n int, err error)
	// Closed is the last call: the descriptor is closed and no flush is under way.
	Closed()
}
