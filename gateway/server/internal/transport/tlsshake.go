package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime/debug"
)

// tlsShake is the state that a tlsSocket needs until it is open. The socket's lock guards all fields.
type tlsShake struct {
	origin  netip.Addr // that places are shared by
	server  Handshake
	config  *tls.Config
	phase   tlsPhase
	hello   tlsHello
	in      []byte // received, and not yet given to crypto/tls
	at      Moment // when the last bytes of in came
	readErr error  // the raw socket reads nothing more; io.EOF for FIN
	counted int    // bytes of in that count in the layer's hellos
	begun   bool   // the handshake has begun
	// done says that the handshake has ended: conn is used with the socket's lock held. Only its goroutine writes it.
	done bool
	turn *tlsTurn // nil until the ClientHello is complete
}

// tlsPhase is the progress of a handshake.
type tlsPhase uint8

const (
	phaseHello tlsPhase = iota // its ClientHello is not complete
	phaseTurn                  // it waits for its turn, or its goroutine makes all calls
	phaseGone                  // it gave way; the raw socket is open until the peer does something
	phaseOver                  // it failed; the raw socket is closing
)

// maxCollected is the number of collected bytes that pauses the raw socket until the handshake has used them. It has
// room for a record.
const maxCollected = 20 << 10

// full reports whether the raw socket is to pause: more bytes came than crypto/tls can use, or the goroutine hands the
// connection over.
func (h *tlsShake) full() bool {
	return h.phase == phaseTurn && (h.done || len(h.in) >= maxCollected)
}

// collect keeps bytes that came before the connection is open. The error is for breakOff. The caller holds mu.
func (t *tlsSocket) collect(p []byte, at Moment) error {
	h := t.shake
	switch h.phase {
	case phaseOver:
		return nil
	case phaseGone:
		t.over()
		return ErrGaveWay
	}
	h.in, h.at = append(h.in, p...), at
	if !t.count() && (h.phase == phaseHello || t.layer.leave(h.turn)) { // otherwise its turn has just come
		t.over()
		return errHelloBudget
	}
	if h.phase == phaseTurn {
		t.regulate()
		h.turn.wake()
		return nil
	}
	complete, err := h.hello.complete(h.in)
	if err != nil {
		t.over()
		return err
	}
	if complete {
		h.phase, h.in, h.turn = phaseTurn, h.hello.inPieces(h.in), newTurn(t)
		t.regulate()
		t.layer.enter(h.turn, h.origin)
	}
	return nil
}

// interrupt handles the raw socket's end, or the end of its reading, while the connection is not open. The error is for
// breakOff. The caller holds mu.
func (t *tlsSocket) interrupt() error {
	h := t.shake
	var err error
	switch {
	case h.phase == phaseOver:
		return nil
	case h.phase == phaseGone:
		err = fmt.Errorf("%w: %w", ErrGaveWay, t.gone())
	case h.phase == phaseHello:
		err = fmt.Errorf("tls handshake: %w before the ClientHello was complete", t.gone())
	case t.layer.leave(h.turn):
		err = fmt.Errorf("%w: %w", ErrNoTurn, t.gone())
	default: // the goroutine ends the handshake
		h.turn.wake()
		return nil
	}
	t.over()
	return err
}

// over gives up a handshake that will not succeed. The caller holds mu.
func (t *tlsSocket) over() {
	t.shake.phase, t.shake.in = phaseOver, nil
	t.count()
}

// count updates the layer's count of ClientHello bytes beyond freeHello, until the handshake begins. It returns false,
// and counts nothing more, when all handshakes together keep too much. The caller holds mu.
func (t *tlsSocket) count() bool {
	h, large := t.shake, 0
	if !h.begun {
		large = max(0, len(h.in)-freeHello)
	}
	more := large - h.counted
	if more == 0 {
		return true
	}
	if t.layer.hellos.Add(int64(more)) > helloBudget && more > 0 {
		t.layer.hellos.Add(-int64(more))
		return false
	}
	h.counted = large
	return true
}

// gone returns why the peer will not finish its handshake. The caller holds mu.
func (t *tlsSocket) gone() error {
	switch {
	case t.has(tlsClosed):
		return net.ErrClosed
	case t.shake.readErr == io.EOF:
		return fmt.Errorf("the peer left: %w", io.ErrUnexpectedEOF)
	}
	return t.shake.readErr
}

// breakOff reports a handshake that over has given up; a nil error does nothing. The caller does not hold mu.
func (t *tlsSocket) breakOff(err error) {
	if err == nil {
		return
	}
	t.raw.Close(false)
	t.shake.server.Broken(err)
}

// perform does the handshake in a goroutine of the layer. It takes a processor only while it computes.
func (t *tlsSocket) perform() {
	h := t.shake
	turn := h.turn // shake may be gone at the end
	conn := tls.Server((*tlsWire)(t), h.config)
	t.mu.Lock()
	h.begun = true
	t.count()
	t.mu.Unlock()
	t.layer.compute.take(h.origin, turn.ready)
	err := handshake(conn)
	if turn.lost.Load() { // without a processor
		t.giveWay(turn)
		return
	}
	t.layer.compute.give()
	t.mu.Lock()
	h.done, t.conn = true, conn
	if err == nil && !t.has(tlsClosed) {
		t.regulate()
		t.mu.Unlock()
		t.handOver()
		return
	}
	err = t.cause(err)
	t.over()
	t.mu.Unlock()
	t.breakOff(err)
}

// PanicError says that a function of a tls.Config panicked. Only the handshake that called the function fails.
type PanicError struct {
	Value any    // the value of the panic
	Stack []byte // the goroutine's stack at the panic
}

// Error returns a sentence with the value of the panic.
func (e *PanicError) Error() string {
	return fmt.Sprintf("a function of the TLS configuration panicked: %v", e.Value)
}

// handshake makes a handshake. It returns a panic of a function of the configuration as a PanicError.
func handshake(conn *tls.Conn) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return conn.HandshakeContext(context.Background())
}

// cause returns why a handshake failed. A nil err means that the raw socket was closed when the handshake was complete.
// The caller holds mu.
func (t *tlsSocket) cause(err error) error {
	if t.has(tlsClosed) || t.shake.readErr != nil && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		err = t.gone()
	}
	return fmt.Errorf("tls handshake: %w", err)
}

// giveWay ends a handshake that lost its place while it waited. The raw socket stays open, unless the peer has done
// something meanwhile.
func (t *tlsSocket) giveWay(turn *tlsTurn) {
	t.mu.Lock()
	h, err := t.shake, error(nil)
	h.done, h.phase = true, phaseGone
	if len(t.wire) > 0 || h.readErr != nil || t.has(tlsClosed) {
		err = ErrGaveWay
		t.over()
	}
	t.wire, h.in, h.config = nil, nil, nil
	t.regulate()
	t.mu.Unlock()
	h.server.GaveWay(turn.held, turn.total)
	t.breakOff(err)
}

// awaitRecord waits until a whole record of the handshake has come. The caller holds mu and a processor; awaitRecord
// releases both while it waits, and takes no processor when the place is lost meanwhile.
func (t *tlsSocket) awaitRecord() error {
	if len(t.wire) > 0 || t.takeRecord() {
		return nil
	}
	h := t.shake
	if h.readErr == nil && !t.has(tlsClosed) {
		t.mu.Unlock()
		t.layer.compute.give()
		t.layer.idle(h.turn)
		t.mu.Lock()
		for !t.takeRecord() && h.readErr == nil && !t.has(tlsClosed) && !h.turn.lost.Load() {
			t.mu.Unlock()
			<-h.turn.changed
			t.mu.Lock()
		}
		if !t.layer.busy(h.turn) {
			return ErrGaveWay
		}
		t.mu.Unlock()
		t.layer.compute.take(h.origin, h.turn.ready)
		t.mu.Lock()
	}
	switch {
	case len(t.wire) > 0:
		return nil
	case t.has(tlsClosed):
		return net.ErrClosed
	}
	return h.readErr
}

// takeRecord takes the next of the collected records, if a whole one is there. The caller holds mu.
func (t *tlsSocket) takeRecord() bool {
	h := t.shake
	size := recordSize(h.in)
	if size == 0 || size > len(h.in) {
		return false
	}
	t.wire, h.in = h.in[:size], h.in[size:]
	t.regulate()
	return true
}

// handOver gives the connection to the server, with all bytes that came meanwhile, and then gives its calls to the raw
// socket's loop.
func (t *tlsSocket) handOver() {
	upper := t.shake.server.Established(t, t.conn.ConnectionState())
	if upper == nil {
		t.mu.Lock()
		t.over()
		t.mu.Unlock()
		t.Close(false)
		return
	}
	t.mu.Lock()
	t.upper = upper
	t.mu.Unlock()
	upper.Opened()
	for t.drain() {
	}
}

// drain makes the next call that is due. It returns false when none is due; the raw socket's loop makes all further
// calls then.
func (t *tlsSocket) drain() bool {
	t.mu.Lock()
	h := t.shake
	switch err := h.readErr; {
	case len(h.in) > 0:
		in := h.in
		h.in = nil
		t.deliver(in, h.at)
	case err != nil && !t.has(tlsReadOver):
		err = t.readEnd(err)
		t.mu.Unlock()
		t.endReading(err)
	case t.has(tlsClosed):
		t.shake = nil
		t.mu.Unlock()
		t.end()
		return false
	default:
		t.shake = nil
		t.regulate()
		t.mu.Unlock()
		return false
	}
	return true
}
