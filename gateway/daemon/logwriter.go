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
	// logFlush is how long writing the last lines may take when the process ends.
	logFlush = time.Second
)

// logWriter keeps the gateway running when its standard error is stuck. Lines wait in a bounded queue for one goroutine
// that writes them. When the queue is full, lines are dropped, and the next written line says how many.
type logWriter struct {
	out     io.Writer
	lines   chan []byte
	dropped atomic.Uint64
	quit    chan struct{} // closed by close
	ended   chan struct{} // closed when run has ended
}

func newLogWriter(out io.Writer) *logWriter {
	w := &logWriter{out: out, lines: make(chan []byte, logLines), quit: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

// Write queues a copy of a line. It never blocks and never fails. A line that comes after close may be lost. After a
// second signal, for example, the process ends while other goroutines still log.
func (w *logWriter) Write(line []byte) (int, error) {
	select {
	case w.lines <- append([]byte(nil), line...):
	default:
		w.dropped.Add(1)
	}
	return len(line), nil
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
}

// close writes the queued lines, for at most logFlush. Call it once.
func (w *logWriter) close() {
	close(w.quit)
	select {
	case <-w.ended:
	case <-time.After(logFlush):
	}
}
