package transport

import (
	"errors"
	"net"
	"sync"
	"time"
)

// netAcceptor is a goroutine that waits in Accept.
type netAcceptor struct {
	engine *netEngine
	ln     net.Listener
	door   Door
	done   chan struct{} // closed by Close
	loop   sync.WaitGroup
}

// Accept begins to accept.
func (e *netEngine) Accept(ln net.Listener, door Door) (Acceptor, error) {
	a := &netAcceptor{engine: e, ln: ln, door: door, done: make(chan struct{})}
	a.loop.Go(a.accept)
	return a, nil
}

// Close stops accepting.
func (a *netAcceptor) Close() error {
	close(a.done)
	err := a.ln.Close()
	a.loop.Wait()
	return err
}

// accept takes connections until the listening socket is closed.
func (a *netAcceptor) accept() {
	for {
		conn, err := a.ln.Accept()
		if err == nil {
			err = a.engine.admit(conn, a.door)
		}
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return
		default:
			a.pause(a.door.AcceptFailed(err))
		}
	}
}

// pause waits, unless the acceptor is closed.
func (a *netAcceptor) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.done:
	}
}

// admit makes a socket of a connection and starts its loop, or closes it when the door does not want it.
func (e *netEngine) admit(conn net.Conn, door Door) error {
	s := &netSocket{engine: e, conn: conn}
	if err := s.raw.init(conn); err != nil {
		_ = conn.Close() // it was broken already
		return err
	}
	s.end = door.Admit(s, addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr()))
	if s.end == nil {
		_ = conn.Close() // nothing can be done about an error, and nothing was promised
		return nil
	}
	e.loops.Go(s.loop)
	return nil
}
