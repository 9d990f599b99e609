package load

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// flooded runs a flood until done says so.
func flooded(t *testing.T, c FloodConfig, done func(*Flood) bool) *Flood {
	t.Helper()
	f, err := NewFlood(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	f.Hold()
	for !done(f) {
		if err := f.Step(); err != nil {
			t.Fatal(err)
		}
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// heard keeps the bytes that each connection of a server sent. It is safe for concurrent use.
type heard struct {
	mu  sync.Mutex
	all []*bytes.Buffer
}

// listen reads a connection to its end.
func (h *heard) listen(c net.Conn) {
	h.mu.Lock()
	said := new(bytes.Buffer)
	h.all = append(h.all, said)
	h.mu.Unlock()
	p := make([]byte, 4<<10)
	for {
		n, err := c.Read(p)
		h.mu.Lock()
		said.Write(p[:n])
		h.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// lengths returns how many connections sent each number of bytes, and whether all of them sent the first bytes of
// hello.
func (h *heard) lengths(hello []byte) (lengths map[int]int, same bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	lengths, same = make(map[int]int), true
	for _, said := range h.all {
		lengths[said.Len()]++
		same = same && bytes.HasPrefix(hello, said.Bytes())
	}
	return lengths, same
}

// TestFloodSends holds that the kinds of attackers send nothing, half a ClientHello, a whole one, and one byte at a
// time.
func TestFloodSends(t *testing.T) {
	h := new(heard)
	c := FloodConfig{Server: serve(t, h.listen), Silent: 2, Half: 3, Whole: 4, Slow: 5, Drip: 20 * time.Millisecond,
		Pace: 1000}
	f := flooded(t, c, func(f *Flood) bool {
		lengths, same := h.lengths(f.hello)
		if !same {
			t.Fatal("something else than a ClientHello was sent")
		}
		slow := 0
		for n, conns := range lengths {
			if n >= 5 && n < len(f.hello)/2 {
				slow += conns
			}
		}
		return slow == 5 && lengths[0] == 2 && lengths[len(f.hello)/2] == 3 && lengths[len(f.hello)] == 4
	})
	if s := f.State(); s != (FloodState{Held: 14, Opened: 14}) {
		t.Errorf("%+v; expected 14 attackers, none of them cut", s)
	}
	f.Release()
	if s := f.State(); s.Held != 0 {
		t.Errorf("%+v after the release", s)
	}
}

// TestFloodReplaces holds that an attacker that is cut comes again, at the pace and no faster.
func TestFloodReplaces(t *testing.T) {
	var seen atomic.Int64
	server := serve(t, func(c net.Conn) { seen.Add(1) })
	begin := time.Now()
	const pace = 500
	f := flooded(t, FloodConfig{Server: server, Silent: 4, Whole: 4, Pace: pace},
		func(f *Flood) bool { return f.State().Cut >= 50 })
	if most := int64(pace*(time.Since(begin)+late).Seconds()) + 1; seen.Load() > most || f.State().Opened > int(most) {
		t.Errorf("%d connections, %+v; there was time for %d", seen.Load(), f.State(), most)
	}
}

// TestFloodWithoutAServer holds that attackers go on trying when no server answers.
func TestFloodWithoutAServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr).AddrPort()
	_ = l.Close()
	f := flooded(t, FloodConfig{Server: address, Silent: 3, Pace: 1000},
		func(f *Flood) bool { return f.State().Failed >= 10 })
	if s := f.State(); s.Held != 0 || s.Opened != 0 {
		t.Errorf("%+v; expected none", s)
	}
}

// TestFloodConfig holds that NewFlood refuses a configuration that makes no sense.
func TestFloodConfig(t *testing.T) {
	server := netip.MustParseAddrPort("127.0.0.1:1")
	for name, c := range map[string]FloodConfig{
		"no attackers": {Server: server, Pace: 1}, "no pace": {Server: server, Silent: 1},
		"no drip":         {Server: server, Slow: 1, Pace: 1},
		"another machine": {Server: netip.MustParseAddrPort("192.0.2.1:80"), Silent: 1, Pace: 1},
	} {
		if _, err := NewFlood(c); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestFixedAgain holds that connections can be used again, that the measured part waits for Ready, and that a load that
// sleeps keeps its rate too.
func TestFixedAgain(t *testing.T) {
	for name, client := range map[string]*Client{
		"plain": opened(t, serve(t, echo), 64, 4), "TLS": openedTLS(t, echo, 64, 4),
	} {
		for range 3 {
			ready, marks := make(chan struct{}), 0
			w := marked(&marks)
			w.Ready, w.Sleep = ready, true
			timer := time.AfterFunc(20*time.Millisecond, func() { close(ready) })
			r, err := client.Fixed(t.Context(), 1000, w)
			timer.Stop()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if most := uint64(1000*r.Elapsed.Seconds()) + 1; r.Messages+r.Unanswered < most/2 || marks != 2 {
				t.Errorf("%s: %d messages and %d late ones, of %d; %d marks", name, r.Messages, r.Unanswered, most, marks)
			}
			if uint64(r.Latency.TotalCount()) != r.Messages+r.Unanswered {
				t.Errorf("%s: %d latencies for %d messages and %d late ones", name, r.Latency.TotalCount(), r.Messages,
					r.Unanswered)
			}
		}
	}
}

// TestFixedWaits holds that nothing is measured before Ready.
func TestFixedWaits(t *testing.T) {
	client := opened(t, serve(t, func(c net.Conn) { _, _ = io.Copy(struct{ io.Writer }{c}, c) }), 64, 2)
	marks, ready := 0, make(chan struct{})
	begun := time.Now()
	w := marked(&marks)
	w.Ready, w.Warm = ready, 0
	first := w.Mark
	w.Mark = func() {
		if first(); marks == 1 && time.Since(begun) < 50*time.Millisecond {
			t.Error("it was measured before it was ready")
		}
	}
	timer := time.AfterFunc(50*time.Millisecond, func() { close(ready) })
	defer timer.Stop()
	if _, err := client.Fixed(t.Context(), 1000, w); err != nil {
		t.Fatal(err)
	}
}

// TestFixedAfterAStall holds that late answers to an earlier run's messages are not counted in the next run.
func TestFixedAfterAStall(t *testing.T) {
	open := make(chan struct{})
	client := opened(t, serve(t, func(c net.Conn) {
		p := make([]byte, 64)
		if _, err := io.ReadFull(c, p); err != nil {
			return
		}
		_, _ = c.Write(p)
		select {
		case <-open:
			echo(c)
		case <-t.Context().Done():
		}
	}), 64, 4)
	marks := 0
	stalled, err := client.Fixed(t.Context(), 1000, marked(&marks))
	if err != nil || stalled.Unanswered == 0 {
		t.Fatalf("%d late, %v", stalled.Unanswered, err)
	}
	w := Window{Length: 100 * time.Millisecond, Mark: sync.OnceFunc(func() { close(open) })}
	r, err := client.Fixed(t.Context(), 1000, w)
	if err != nil {
		t.Fatal(err)
	}
	var due uint64
	for i := range client.conns {
		due += client.conns[i].due - client.conns[i].base
	}
	if r.Messages == 0 || r.Messages+r.Unanswered > due {
		t.Errorf("%d messages and %d late ones; %d were to be sent", r.Messages, r.Unanswered, due)
	}
}
