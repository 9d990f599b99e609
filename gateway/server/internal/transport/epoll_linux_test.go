package transport_test

import (
	"bytes"
	"io"
	"net"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// oneLoop returns an engine whose sockets all share a loop.
func oneLoop(t *testing.T) transport.Engine {
	t.Helper()
	e, err := transport.New(transport.Epoll, clock, 1)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// openMany accepts n connections on an engine.
func openMany(t *testing.T, e transport.Engine, network string, n int) ([]*recorder, []net.Conn) {
	t.Helper()
	ln, dial := listen(t, network)
	h := newHall()
	a, err := e.Accept(ln, h)
	if err != nil {
		t.Fatal(err)
	}
	var recorders []*recorder
	var peers []net.Conn
	for range n {
		peer, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		r := <-h.admitted
		r.awaitCall(t, "Opened")
		recorders, peers = append(recorders, r), append(peers, peer)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for i, r := range recorders {
			peers[i].Close()
			r.socket.Close(false)
		}
		e.Wait()
	})
	return recorders, peers
}

// A peer that sends without end gets no more than its turn: the other peer's bytes are read after at most two more
// reads of the flood.
func TestFairReading(t *testing.T) {
	e := oneLoop(t)
	r, peers := openMany(t, e, "tcp", 2)
	flood, ping := r[0], r[1]
	var reads, between, largest atomic.Int64
	begun := make(chan struct{})
	ping.note(func() { ping.onData = func([]byte) { between.Store(reads.Load() - 10) } })
	flood.note(func() {
		flood.onData = func(p []byte) { // runs in the loop's goroutine
			largest.Store(max(largest.Load(), int64(len(p))))
			flood.note(func() { flood.received = nil })
			switch reads.Add(1) {
			case 1:
				<-begun // until the flood is larger than a turn
			case 10:
				if _, err := peers[1].Write([]byte("ping")); err != nil {
					t.Error(err)
				}
			}
		}
	})
	stop := make(chan struct{})
	flooding := make(chan struct{})
	go func() {
		defer close(flooding)
		for p, once := make([]byte, transport.TurnReads), begun; ; {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := peers[0].Write(p); err != nil {
				t.Error(err)
				return
			}
			if once != nil {
				close(once)
				once = nil
			}
		}
	}()
	ping.awaitCall(t, "Received")
	close(stop)
	flood.socket.Resume()
	<-flooding
	if n := between.Load(); n > 2 {
		t.Errorf("the loop read %d times from the peer that floods before it read from the other; expected 2 at most", n)
	}
	if n := largest.Load(); n > transport.TurnReads {
		t.Errorf("a turn had %d bytes of one peer; expected %d at most", n, transport.TurnReads)
	}
}

// A peer that reads a flush as fast as it can gets no more than its turn either.
func TestFairFlushing(t *testing.T) {
	e := oneLoop(t)
	r, peers := openMany(t, e, "unix", 2)
	bulk, ping := r[0], r[1]
	var between atomic.Int64
	ping.note(func() { ping.onData = func([]byte) { between.Store(bulk.writes.Load()) } })
	go func() { _, _ = io.Copy(io.Discard, peers[0]) }()
	bulk.onWrite = func(n int64) { // runs in the loop's goroutine
		if n == 100 {
			bulk.writes.Store(0)
			if _, err := peers[1].Write([]byte("ping")); err != nil {
				t.Error(err)
			}
		}
	}
	bulk.send(make([]byte, 64<<20))
	ping.awaitCall(t, "Received")
	if n := between.Load(); n > 2*transport.FlushWrites {
		t.Errorf("the loop wrote %d times to one peer before it read from the other; expected %d at most",
			n, 2*transport.FlushWrites)
	}
}

// A socket that waits for nothing is taken out of the epoll, because the kernel would report the end of both directions
// for ever. The socket still works as far as it can.
func TestNoReportsWithoutEnd(t *testing.T) {
	e := oneLoop(t)
	r, peers := openMany(t, e, "unix", 2)
	peers[0].Close()
	r[0].awaitCall(t, "Ended")
	for turn := 1; !transport.Detached(r[0].socket); turn++ { // until the loop has had its turn
		write(t, peers[1], []byte("turn"))
		r[1].await(t, "a turn", func() bool { return len(r[1].received) >= turn*len("turn") })
	}
	if n, err := r[0].socket.TryWrite([]byte("x")); err == nil {
		t.Errorf("TryWrite to a peer that has gone: %d; expected an error", n)
	}
	r[0].socket.Pause()
	r[0].socket.Resume()
	r[0].socket.Close(false)
	r[0].awaitCall(t, "Closed")
}

// While a copy of a closed descriptor is open, as in a child that was just forked, the kernel goes on reporting about
// it. These reports reach neither the closed socket nor the socket that has its descriptor now, which is on another
// loop.
func TestReportsOfClosed(t *testing.T) {
	e, err := transport.New(transport.Epoll, clock, 2)
	if err != nil {
		t.Fatal(err)
	}
	ln, dial := listen(t, "tcp")
	h := newHall()
	a, err := e.Accept(ln, h)
	if err != nil {
		t.Fatal(err)
	}
	connect := func() (*recorder, net.Conn) {
		peer, err := dial()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { peer.Close() })
		r := <-h.admitted
		r.awaitCall(t, "Opened")
		return r, peer
	}
	old, oldPeer := connect()
	other, _ := connect() // on the other loop
	third, _ := connect() // on the loop of the old one, so that the next one goes to the other loop
	copied, err := transport.Duplicate(old.socket)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(copied)
	nextPeer := unconnected(t) // opened now, so that it does not take the descriptor that is about to be free
	descriptor, loop := transport.Descriptor(old.socket), transport.Loop(old.socket)
	other.socket.Close(false)
	other.awaitCall(t, "Closed")
	old.socket.Close(false)
	old.awaitCall(t, "Closed")
	write(t, oldPeer, []byte("for nobody")) // never read, so its loop gets a report in every turn
	address := &unix.SockaddrInet4{Port: ln.Addr().(*net.TCPAddr).Port, Addr: [4]byte{127, 0, 0, 1}}
	if err := unix.Connect(nextPeer, address); err != nil {
		t.Fatal(err)
	}
	next := <-h.admitted
	next.awaitCall(t, "Opened")
	if transport.Descriptor(next.socket) != descriptor || transport.Loop(next.socket) == loop {
		t.Fatalf("the new socket has not the descriptor %d, or not the other loop: this shows nothing", descriptor)
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), 256<<10)
	done := make(chan error, 1)
	go func() {
		for p := sent; len(p) > 0; {
			n, err := unix.Write(nextPeer, p)
			if err != nil {
				done <- err
				return
			}
			p = p[n:]
		}
		done <- nil
	}()
	next.await(t, "all bytes", func() bool { return len(next.received) >= len(sent) })
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(next.received, sent) || next.overlap.Load() {
		t.Error("the bytes came in another order, or by two loops at once")
	}
	old.expectCalls(t, "Opened", "Closed")
	next.socket.Close(false)
	third.socket.Close(false)
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	e.Wait()
}

// unconnected returns a TCP socket for a client.
func unconnected(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// Accepted sockets have the options that the net package sets on its own, without a call for each.
func TestOptions(t *testing.T) {
	e := oneLoop(t)
	r, _ := openMany(t, e, "tcp", 1)
	for _, o := range []struct {
		name          string
		level, option int
		want          int
	}{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 9},
	} {
		if got, err := transport.Option(r[0].socket, o.level, o.option); err != nil || got != o.want {
			t.Errorf("%s is %d, %v; expected %d", o.name, got, err, o.want)
		}
	}
}

// A listener that is not a socket of the system is refused, and still belongs to its owner.
func TestAcceptNeedsDescriptor(t *testing.T) {
	e := oneLoop(t)
	ln, _ := listen(t, "pipe")
	if _, err := e.Accept(ln, newHall()); err == nil || !bytes.Contains([]byte(err.Error()), []byte("engine net")) {
		t.Errorf("Accept on a listener without a descriptor: %v; expected an error that says what to use", err)
	}
	if err := ln.Close(); err != nil {
		t.Error(err)
	}
	e.Wait()
}
