package transport_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

func (r *recorder) expectCalls(t *testing.T, want ...string) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.calls, want) {
		t.Errorf("calls %v; expected %v", r.calls, want)
	}
}

func write(t *testing.T, c net.Conn, p []byte) {
	t.Helper()
	if _, err := c.Write(p); err != nil {
		t.Fatal(err)
	}
}

// The peer's bytes arrive in order, then its FIN. The socket stays open for the other direction until it is closed.
func TestReadToEnd(t *testing.T) {
	each(t, []string{"tcp", "unix"}, func(t *testing.T, e transport.Engine, network string) {
		r, peer := open(t, e, network)
		sent := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
		write(t, peer, sent)
		if err := peer.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		r.awaitCall(t, "Ended")
		if !bytes.Equal(r.received, sent) {
			t.Errorf("received %d bytes, not the %d that were sent", len(r.received), len(sent))
		}
		if n, err := r.socket.TryWrite([]byte("bye")); n != 3 || err != nil {
			t.Errorf("TryWrite after the peer's FIN: %d, %v", n, err)
		}
		if err := r.socket.CloseWrite(); err != nil {
			t.Error(err)
		}
		if got, err := io.ReadAll(peer); string(got) != "bye" || err != nil {
			t.Errorf("the peer read %q, %v", got, err)
		}
		r.socket.Close(false)
		e.Wait()
		r.expectCalls(t, "Opened", "Received", "Ended", "Closed")
	})
}

// A flush delivers every byte to a peer that reads late.
func TestFlush(t *testing.T) {
	each(t, networks, func(t *testing.T, e transport.Engine, network string) {
		r, peer := open(t, e, network)
		sent := bytes.Repeat([]byte("0123456789abcdef"), 512<<10) // more than the kernel takes
		r.send(sent)
		got := make([]byte, len(sent))
		if _, err := io.ReadFull(peer, got); err != nil || !bytes.Equal(got, sent) {
			t.Errorf("the peer read something else, or failed: %v", err)
		}
		r.await(t, "the end of the flush", func() bool { return !r.flushing })
		r.send([]byte("more"))
		if _, err := io.ReadFull(peer, got[:4]); err != nil || string(got[:4]) != "more" {
			t.Errorf("a second flush: %q, %v", got[:4], err)
		}
	})
}

// A flush to a peer that does not read ends at the deadline. By then the endpoint knows of every byte that the kernel
// took.
func TestFlushDeadline(t *testing.T) {
	each(t, networks, func(t *testing.T, e transport.Engine, network string) {
		r, peer := open(t, e, network)
		r.note(func() { r.deadline = in(50 * time.Millisecond) })
		r.send(make([]byte, 16<<20))
		r.await(t, "the deadline", func() bool { return r.writeErr != nil && !r.flushing })
		if !errors.Is(r.writeErr, os.ErrDeadlineExceeded) {
			t.Errorf("Wrote got %v; expected the deadline", r.writeErr)
		}
		r.socket.Close(false)
		e.Wait()
		if isPipe(network) {
			return
		}
		if r.atError != 0 { // the endpoint would take old progress for new
			t.Errorf("%d bytes were told of only at the deadline", r.atError)
		}
		if got, err := io.ReadAll(peer); len(got) != r.wrote {
			t.Errorf("the peer read %d bytes (%v); the endpoint was told of %d", len(got), err, r.wrote)
		}
	})
}

// A paused socket hands on at most one more read, and after Resume nothing is missing.
func TestPause(t *testing.T) {
	each(t, networks, func(t *testing.T, e transport.Engine, network string) {
		r, peer := open(t, e, network)
		reads := 0
		r.note(func() { r.onData = func([]byte) { r.note(func() { reads++; r.socket.Pause() }) } })
		sent := bytes.Repeat([]byte("0123456789abcdef"), 128<<10)
		var writing sync.WaitGroup
		writing.Go(func() {
			if _, err := peer.Write(sent); err != nil {
				t.Error(err)
			}
		})
		for n := 1; ; n++ {
			r.await(t, "a read", func() bool { return reads >= n })
			r.mu.Lock()
			if reads != n {
				t.Errorf("%d reads after %d resumes", reads, n)
			}
			all := len(r.received) == len(sent)
			r.mu.Unlock()
			if all {
				break
			}
			r.socket.Resume()
		}
		writing.Wait()
		if !bytes.Equal(r.received, sent) {
			t.Error("received something else than was sent")
		}
	})
}

// Close ends a socket once, in every state.
func TestClose(t *testing.T) {
	for _, c := range []struct {
		name string
		prep func(t *testing.T, r *recorder, peer net.Conn)
		want []string
	}{
		{"idle", func(*testing.T, *recorder, net.Conn) {}, []string{"Opened", "Closed"}},
		{"paused", func(t *testing.T, r *recorder, peer net.Conn) {
			r.note(func() { r.onData = func([]byte) { r.socket.Pause() } })
			write(t, peer, []byte("x"))
			r.awaitCall(t, "Received")
		}, []string{"Opened", "Received", "Closed"}},
		{"in a flush", func(t *testing.T, r *recorder, peer net.Conn) {
			r.send(make([]byte, 8<<20))
		}, []string{"Opened", "Closed"}},
		{"after the peer's end", func(t *testing.T, r *recorder, peer net.Conn) {
			peer.Close()
			r.awaitCall(t, "Ended")
		}, []string{"Opened", "Ended", "Closed"}},
		{"by itself while it reads", func(t *testing.T, r *recorder, peer net.Conn) {
			r.note(func() { r.onData = func([]byte) { r.socket.Close(false) } })
			write(t, peer, []byte("x"))
		}, []string{"Opened", "Received", "Closed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, networks, func(t *testing.T, e transport.Engine, network string) {
				r, peer := open(t, e, network)
				c.prep(t, r, peer)
				if c.name == "by itself while it reads" {
					e.Wait()
				}
				var closing sync.WaitGroup
				for i := range 4 {
					closing.Go(func() { r.socket.Close(i%2 == 0) })
				}
				closing.Wait()
				e.Wait()
				r.expectCalls(t, c.want...)
				if r.socket.Flush() {
					t.Error("Flush of a closed socket began")
				}
				if n, err := r.socket.TryWrite([]byte("x")); n != 0 || err == nil {
					t.Errorf("TryWrite on a closed socket: %d, %v; expected an error", n, err)
				}
				if !isPipe(network) {
					if err := r.socket.CloseWrite(); err == nil {
						t.Error("CloseWrite of a closed socket succeeded")
					}
				}
				r.socket.Pause()
				r.socket.Resume()
			})
		})
	}
}

// Close before Opened ends the socket as soon as it is opened.
func TestCloseBeforeOpened(t *testing.T) {
	test := func(t *testing.T, e transport.Engine, network string) {
		r, peer := open(t, e, network, func(r *recorder) { r.socket.Close(false) })
		e.Wait()
		r.expectCalls(t, "Opened", "Closed")
		if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("the peer read: %v; expected EOF", err)
		}
	}
	each(t, []string{"tcp", "unix"}, test)
	// With TLS, a pipe has no space for the last bytes of the handshake, so the peer's handshake would never be complete.
	eachPlain(t, []string{"pipe"}, test)
}

// With reset the peer gets RST, without it FIN.
func TestCloseReset(t *testing.T) {
	each(t, []string{"tcp"}, func(t *testing.T, e transport.Engine, network string) {
		for _, c := range []struct {
			reset bool
			want  error
		}{{true, syscall.ECONNRESET}, {false, io.EOF}} {
			r, peer := open(t, e, network)
			r.socket.Close(c.reset)
			if _, err := peer.Read(make([]byte, 1)); !errors.Is(err, c.want) {
				t.Errorf("after Close(%v) the peer read: %v; expected %v", c.reset, err, c.want)
			}
		}
	})
}

// RST from the peer ends reading with an error, and does not close the socket.
func TestPeerReset(t *testing.T) {
	each(t, []string{"tcp"}, func(t *testing.T, e transport.Engine, network string) {
		r, peer := open(t, e, network)
		if err := raw(peer).(*net.TCPConn).SetLinger(0); err != nil {
			t.Fatal(err)
		}
		raw(peer).Close()
		r.awaitCall(t, "Failed")
		if !errors.Is(r.readErr, syscall.ECONNRESET) {
			t.Errorf("reading failed with %v; expected ECONNRESET", r.readErr)
		}
		r.socket.Close(false)
		e.Wait()
		r.expectCalls(t, "Opened", "Failed", "Closed")
	})
}
