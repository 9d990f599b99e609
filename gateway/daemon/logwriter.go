package daemon

import (
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

const (
	// logLines is how many lines wait while standard error is stuck. Further lines are dropped and counted.
	logLines = 4096
	// logBytes is how many bytes they have together, at most.
	logBytes = 8 << 20
	// logFlush is how long writing the last lines may take when the process ends.
	logFlush = time.Second
)

// logWriter keeps the gateway running when its standard error is stuck, and each record in one line. Everything that
// the process writes there goes through it. Lines wait in a bounded queue for one goroutine that writes them. When the
// queue is full, lines are dropped, and the next written line says how many.
type logWriter struct {
	out     io.Writer
	lines   chan []byte
	waiting atomic.Int64 // bytes in lines
	dropped atomic.Uint64
	quit    chan struct{} // closed by close
	ended   chan struct{} // closed when run has ended
}

func newLogWriter(out io.Writer) *logWriter {
	w := &logWriter{out: out, lines: make(chan []byte, logLines), quit: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

// Write queues a record as one line. It never blocks and never fails. A record that comes after close may be lost.
// After a second signal, for example, the process ends while other goroutines still log.
func (w *logWriter) Write(record []byte) (int, error) {
	line := oneLine(record)
	if w.waiting.Add(int64(len(line))) > logBytes || !w.queue(line) {
		w.waiting.Add(-int64(len(line)))
		w.dropped.Add(1)
	}
	return len(record), nil
}

// queue reports whether the queue had a place for a line.
func (w *logWriter) queue(line []byte) bool {
	select {
	case w.lines <- line:
		return true
	default:
		return false
	}
}

// run writes lines until close, and then the queued ones.
func (w *logWriter) run() {
	defer close(w.ended)
	for {
		select {
		case line := <-w.lines:
			w.put(line)
		case <-w.quit:
			w.rest()
			return
		}
	}
}

func (w *logWriter) rest() {
	for {
		select {
		case line := <-w.lines:
			w.put(line)
		default:
			return
		}
	}
}

// put writes a line. A line that cannot be written is lost with the terminal or pipe that it was for.
func (w *logWriter) put(line []byte) {
	if n := w.dropped.Swap(0); n > 0 {
		_, _ = fmt.Fprintf(w.out, "gateway: %d lines of the log were dropped: standard error was not read\n", n)
	}
	_, _ = w.out.Write(line)
	w.waiting.Add(-int64(len(line)))
}

// close writes the queued lines, for at most logFlush. Call it once.
func (w *logWriter) close() {
	close(w.quit)
	select {
	case <-w.ended:
	case <-time.After(logFlush):
	}
}
