package frames

import (
	"fmt"
	"sync"
)

// windows are how much the server lets the client send, on the connection and on each stream that is open.
type windows struct {
	mu      sync.Mutex
	changed *sync.Cond
	version uint64 // of all that follows; it grows with each change
	initial int64
	conn    int64
	streams map[uint32]int64
	dead    error
	over    chan struct{} // closed once dead is set
}

func (w *windows) init() {
	w.changed = sync.NewCond(&w.mu)
	w.initial, w.conn = 65535, 65535
	w.streams, w.over = make(map[uint32]int64), make(chan struct{})
}

// die ends every wait; the first reason stays.
func (w *windows) die(why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead == nil {
		w.dead = why
		close(w.over)
	}
	w.touch()
}

// touch wakes everybody who waits for a change. The caller holds mu.
func (w *windows) touch() {
	w.version++
	w.changed.Broadcast()
}

func (w *windows) open(id uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.streams[id] = w.initial
}

func (w *windows) end(id uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.streams, id)
	w.touch()
}

// grow adds what the server gives: to the connection, which is stream 0, or to a stream.
func (w *windows) grow(id uint32, n int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if id == 0 {
		w.conn += n
	} else if _, open := w.streams[id]; open {
		w.streams[id] += n
	}
	w.touch()
}

// start follows a new first window of the server's, which also changes the streams that are open.
func (w *windows) start(initial int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range w.streams {
		w.streams[id] += initial - w.initial
	}
	w.initial = initial
	w.touch()
}

// take takes at most n bytes of a stream's window, and returns how many; less than 0 when the stream has ended.
func (w *windows) take(id uint32, n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	left, open := w.streams[id]
	if !open || w.dead != nil {
		return -1
	}
	got := max(0, min(int64(n), left, w.conn))
	w.streams[id] -= got
	w.conn -= got
	return int(got)
}

// wait waits until something has changed since a version, or the connection is over. It returns the version now.
func (w *windows) wait(since uint64) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.dead == nil && w.version == since {
		w.changed.Wait()
	}
	return w.version
}

// reserve waits for n bytes of the connection's window, and takes them.
func (w *windows) reserve(n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.dead == nil && w.conn < int64(n) {
		w.changed.Wait()
	}
	w.conn -= int64(n)
	return w.dead
}

// room waits until fewer than most streams are open.
func (w *windows) room(most int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.dead == nil && len(w.streams) >= most {
		w.changed.Wait()
	}
	return w.dead
}

// errReset is a reason of the server's to end the connection.
func errReset(code fmt.Stringer) error { return fmt.Errorf("the server sent GOAWAY with %s", code) }
