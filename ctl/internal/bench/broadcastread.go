package bench

import (
	"encoding/binary"
	"net"
)

// broadcastHeader is the size of a broadcast's number, written twice, the second time with all bits inverted. Other
// bytes are very unlikely to have that form.
const broadcastHeader = 16

// broadcastPayload makes the bytes of a broadcast: its number, and the part of the pattern that belongs to it.
func broadcastPayload(p pattern, number int64, size int) []byte {
	payload := binary.BigEndian.AppendUint64(make([]byte, 0, size), uint64(number))
	payload = binary.BigEndian.AppendUint64(payload, ^uint64(number))
	for len(payload) < size {
		payload = append(payload, p.at(number+int64(len(payload)), int64(size-len(payload)))...)
	}
	return payload
}

// broadcastReader reads the broadcasts of one connection. A broadcast that was dropped for it is missing as a whole.
type broadcastReader struct {
	benchmark  *broadcastBench
	socket     net.Conn
	deliveries *latencyShard

	header [broadcastHeader]byte
	number int64
	at     int // bytes of this broadcast that have come
}

// run reads until the benchmark is over or the connection breaks.
func (r *broadcastReader) run() {
	fair := max(leastReadBuffer, allReadBuffers/max(1, r.benchmark.options.connections))
	buffer := make([]byte, min(r.benchmark.options.size, maxReadBuffer, fair))
	for {
		n, err := r.socket.Read(buffer)
		if wrong := r.take(buffer[:n]); wrong != nil {
			r.benchmark.failures.add(&mismatchError{wrong.Error() +
				": something else was sent to this connection, for example a gateway's --greeting"})
			_ = r.socket.Close()
			return
		}
		if err != nil {
			if !r.benchmark.stopping() {
				r.benchmark.failures.add(err)
			}
			return
		}
	}
}

func (r *broadcastReader) take(p []byte) error {
	for len(p) > 0 {
		n, err := r.takeSome(p)
		if err != nil {
			return err
		}
		p = p[n:]
		if r.at < r.benchmark.options.size {
			continue
		}
		r.at = 0
		if err := r.benchmark.delivered(r.number, r.deliveries); err != nil {
			return err
		}
	}
	return nil
}

// takeSome takes the header's part of p, or the rest's.
func (r *broadcastReader) takeSome(p []byte) (int, error) {
	if r.at < broadcastHeader {
		n := copy(r.header[r.at:], p)
		if r.at += n; r.at < broadcastHeader {
			return n, nil
		}
		number := binary.BigEndian.Uint64(r.header[:])
		if ^number != binary.BigEndian.Uint64(r.header[8:]) || int64(number) < r.number {
			return n, &mismatchError{"the beginning of a broadcast was expected, and other bytes came"}
		}
		r.number = int64(number)
		return n, nil
	}
	n := min(len(p), r.benchmark.options.size-r.at)
	err := r.benchmark.pattern.check(r.number+int64(r.at), p[:n])
	r.at += n
	return n, err
}
