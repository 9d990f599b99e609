package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// EchoOnce sends one message on each connection from the index first on, and returns when all messages have come back.
func (l *Client) EchoOnce(ctx context.Context, first int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i := first; i < len(l.conns); i++ {
		l.conns[i].due++
		if err := l.write(i); err != nil {
			return err
		}
	}
	l.last = l.now()
	for missing := len(l.conns) - first; missing > 0; {
		events, err := l.wait(ctx)
		if err != nil {
			return err
		}
		for i := range events {
			index := int(events[i].Fd)
			if events[i].Events&unix.EPOLLOUT != 0 {
				err = l.write(index)
			}
			n, failed := l.read(index)
			if err := errors.Join(err, failed); err != nil {
				return err
			}
			missing -= n
		}
	}
	return nil
}

// Broadcast calls trigger, which makes the server send message to every connection, in a goroutine of its own. It
// returns the time from before the call until the last connection had all of the message. It also waits until trigger
// returns.
func (l *Client) Broadcast(
	ctx context.Context, message []byte, trigger func(context.Context) error,
) (time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for i := range l.conns {
		l.conns[i].in = 0
	}
	triggered := make(chan struct{})
	begin := l.now()
	l.last = begin
	go func() {
		defer close(triggered)
		if err := trigger(ctx); err != nil {
			cancel(err) // otherwise await would wait for a message that never comes
		}
	}()
	err := l.await(ctx, message)
	took := l.now() - begin
	if err != nil {
		cancel(err)
	}
	<-triggered
	if err == nil || errors.Is(err, context.Canceled) {
		err = context.Cause(ctx)
	}
	return took, err
}

// await waits until every connection has read the message.
func (l *Client) await(ctx context.Context, message []byte) error {
	for missing := len(l.conns); missing > 0; {
		events, err := l.wait(ctx)
		if err != nil {
			return fmt.Errorf("%d of %d connections have not got the broadcast: %w", missing, len(l.conns), err)
		}
		for i := range events {
			index := int(events[i].Fd)
			p, err := l.fill(index)
			if err != nil {
				return err
			}
			c := &l.conns[index]
			if len(p) > len(message)-c.in || !bytes.Equal(p, message[c.in:c.in+len(p)]) {
				return fmt.Errorf("connection %d: what came is not what was broadcast", index)
			}
			if c.in += len(p); len(p) > 0 && c.in == len(message) {
				missing--
			}
		}
	}
	return nil
}
