package transport

import (
	"errors"
	"net"
	"sync"
	"time"
)

// netAcceptor is a goroutine that waits in Accept.
type netAcceptor struct {
	engine    *netEngine
	ln        net.Listener
	admission Admission
	done      chan struct{} // closed by Close
	loop      sync.WaitGroup
}

// Accept implements Engine.
func (e *netEngine) Accept(ln net.Listener, admission Admission) (Acceptor, error) {
	a := &netAcceptor{engine: e, ln: ln, admission: admission, done: make(chan struct{})}
	a.loop.Go(a.accept)
	return a, nil
}

// Close implements Acceptor.
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
			err = a.engine.admit(conn, a.admission)
		}
		switch {
		case err == nil:
		case errors.Is(err, net.ErrClosed):
			return
		default:
			a.pause(a.admission.AcceptFailed(err))
		}
	}
}

// pause waits for d, or until the acceptor is closed.
func (a *netAcceptor) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-a.done:
	}
}

// admit makes a socket of a connection and starts its loop. It closes the connection when the admission refuses it.
func (e *netEngine) admit(conn net.Conn, admission Admission) error {
	s := &netSocket{engine: e, conn: conn}
	if err := s.raw.init(conn); err != nil {
		_ = conn.Close() // it was broken already
		return err
	}
	s.end = admission.Admit(s, addrPort(conn.RemoteAddr()), addrPort(conn.LocalAddr()))
	if s.end == nil {
		_ = conn.Close() // the connection was never used, so its error means nothing
		return nil
	}
	e.loops.Go(s.loop)
	return nil
}
