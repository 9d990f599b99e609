package bench

import (
	"testing"
	"time"
)

// TestBroadcastReader holds that broadcasts are told apart however they are cut, that one may be missing as a whole,
// and that any other byte is noticed.
func TestBroadcastReader(t *testing.T) {
	p := newPattern()
	payload := func(number int64) []byte { return broadcastPayload(p, number, 100) }
	read := func(chunk int, parts ...[]byte) (*broadcastBench, error) {
		x := &broadcastBench{benchmark: &benchmark{begun: time.Now()},
			options: broadcastOptions{commonFlags: commonFlags{size: 100}}, pattern: p,
			deliveries: newLatencies(), all: newLatencies()}
		r := &broadcastReader{benchmark: x, deliveries: x.deliveries.shard(0)}
		for number, part := range parts {
			x.begin(int64(number), 0)
			for len(part) > 0 {
				n := min(chunk, len(part))
				if err := r.take(part[:n]); err != nil {
					return x, err
				}
				part = part[n:]
			}
		}
		return x, nil
	}
	for _, chunk := range []int{1, 3, 15, 16, 17, 99, 100, 300} {
		if x, err := read(chunk, payload(0), payload(1), payload(2)); err != nil || x.deliveries.count() != 3 ||
			x.round.received != 1 {
			t.Errorf("chunks of %d: %d deliveries, %v", chunk, x.deliveries.count(), err)
		}
		if x, err := read(chunk, payload(0), nil, payload(2)); err != nil || x.deliveries.count() != 2 {
			t.Errorf("chunks of %d, one dropped: %d deliveries, %v", chunk, x.deliveries.count(), err)
		}
		if x, err := read(chunk, payload(0), nil, append(payload(1), payload(2)...)); err != nil ||
			x.deliveries.count() != 2 {
			t.Errorf("chunks of %d, one late: %d deliveries, %v", chunk, x.deliveries.count(), err)
		}
	}
	for i := range 100 {
		wrong := payload(1)
		wrong[i] ^= 1
		if _, err := read(30, payload(0), wrong); err == nil {
			t.Errorf("byte %d was changed, and nobody noticed", i)
		}
	}
	if _, err := read(100, payload(5)); err == nil {
		t.Error("a broadcast that was not sent yet was taken")
	}
}
