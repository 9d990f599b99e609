package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ChurnTLS is Churn for connections that make a full handshake of TLS 1.3 first, and that finish writing in TLS and in
// TCP. It has a goroutine for each connection: scheduling costs little beside a handshake. config must have no session
// cache, and is not modified.
func ChurnTLS(
	ctx context.Context, server netip.AddrPort, parallel, size int, config *tls.Config, w Window,
) (Result, error) {
	if _, err := newTarget(server); err != nil {
		return Result{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &tlsChurn{server: server, config: config, result: Result{Latency: newHistogram()}}
	var lives sync.WaitGroup
	for i := range parallel {
		m, err := newMessage(size)
		if err != nil {
			return Result{}, err
		}
		p := &place{churn: r, index: i, message: m}
		lives.Go(func() {
			if err := p.live(ctx); err != nil {
				cancel(err)
			}
		})
	}
	err := r.measure(ctx, w)
	cancel(nil)
	lives.Wait()
	return r.result, err
}

// tlsChurn is a run of ChurnTLS.
type tlsChurn struct {
	server netip.AddrPort
	config *tls.Config

	mu       sync.Mutex
	measured bool // whether connections that end count
	result   Result
}

// measure waits for the measured part and for its end. The part is longer than asked for until a connection has ended
// in it.
func (r *tlsChurn) measure(ctx context.Context, w Window) error {
	if err := sleep(ctx, w.Warm); err != nil {
		return err
	}
	w.mark()
	begin := time.Now()
	r.count(true)
	for wait := w.Length; ; wait = 10 * time.Millisecond {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
		if r.counted() > 0 {
			break
		}
		if time.Since(begin) > w.Length+patience {
			return fmt.Errorf("no connection ended for %s", w.Length+patience)
		}
	}
	r.count(false)
	r.result.Elapsed = time.Since(begin)
	w.mark()
	return nil
}

// count sets whether connections that end count.
func (r *tlsChurn) count(measured bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.measured = measured
}

// counted returns how many connections have ended and count.
func (r *tlsChurn) counted() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.result.Messages
}

// ended counts a connection that both sides have finished.
func (r *tlsChurn) ended(took time.Duration) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.measured {
		return nil
	}
	r.result.Messages++
	return r.result.Latency.RecordValue(int64(took))
}

// sleep waits, or returns the cause of ctx when ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// place is one of the parallel places of ChurnTLS, with one connection after the other. It belongs to one goroutine.
type place struct {
	churn   *tlsChurn
	index   int
	number  uint64 // connections before this one
	message *message
}

// live makes one connection after the other, until ctx ends or a connection fails.
func (p *place) live(ctx context.Context) error {
	for ; ctx.Err() == nil; p.number++ {
		begin := time.Now()
		err := p.once(ctx)
		if err == nil {
			err = p.churn.ended(time.Since(begin))
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("connection %d of place %d: %w", p.number, p.index, err)
		}
	}
	return nil
}

// once lives the life of one connection.
func (p *place) once(ctx context.Context) error {
	dialer := net.Dialer{LocalAddr: p.source(), Control: portLater}
	raw, err := dialer.DialContext(ctx, "tcp4", p.churn.server.String())
	if err != nil {
		return err
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	if err := raw.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	c := tls.Client(raw, p.churn.config)
	if err := c.Handshake(); err != nil {
		return fmt.Errorf("TLS handshake: %w", err)
	}
	if err := full(c.ConnectionState()); err != nil {
		return err
	}
	return p.echo(c, raw.(*net.TCPConn))
}

// echo sends the message, compares the answer, finishes writing, and waits until the server has finished too.
func (p *place) echo(c *tls.Conn, raw *net.TCPConn) error {
	if _, err := c.Write(p.message.from(0, p.index, p.number)); err != nil {
		return err
	}
	back := make([]byte, len(p.message.bytes))
	if _, err := io.ReadFull(c, back); err != nil {
		return err
	}
	if !bytes.Equal(back, p.message.from(0, p.index, p.number)) {
		return errors.New("what came back is not what was sent")
	}
	if err := errors.Join(c.CloseWrite(), raw.CloseWrite()); err != nil {
		return err
	}
	n, err := c.Read(back)
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("%d bytes and %w behind the message; expected the server's end", n, err)
	}
	return nil
}

// source returns the address that the next connection comes from. As with target, the addresses change so that ports do
// not run out.
func (p *place) source() *net.TCPAddr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+(uint64(p.index)+p.number)%sources))}
}

// portLater leaves the choice of a port to connect, because it knows the peer.
func portLater(_, _ string, raw syscall.RawConn) error {
	var err error
	failed := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1)
	})
	return errors.Join(failed, err)
}
