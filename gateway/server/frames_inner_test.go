package server

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/frame"
)

// framed returns a server with one listener that does not listen, as idleServer does.
func framed(t testing.TB, format string, config Config, change func(*ListenerConfig)) *Server {
	t.Helper()
	f, err := frame.Parse(format)
	if err != nil {
		t.Fatal(err)
	}
	l := ListenerConfig{Name: "main", Address: "127.0.0.1:0", Frame: f}
	if change != nil {
		change(&l)
	}
	config.Node, config.Listeners = "test", []ListenerConfig{l}
	s, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	s.listeners[0].Label = &event.Listener{Name: "main"}
	t.Cleanup(s.log.Close)
	return s
}

// recorder records what Data gets.
type recorder struct {
	BaseHandler
	frames    []string
	positions []uint64
	ended     bool
	on        func(c *Conn, p []byte)
}

func (r *recorder) Data(c *Conn, p []byte) {
	r.frames, r.positions = append(r.frames, string(p)), append(r.positions, c.Position())
	if r.on != nil {
		r.on(c, p)
	}
}

func (r *recorder) End(c *Conn) {
	r.ended, r.positions = true, append(r.positions, c.Position())
	c.CloseWrite()
}

// gallery has streams of whole frames.
var gallery = []struct {
	format, wire string
	frames       []string
	positions    []uint64
}{
	{"line", "GET\r\n\nlonger line\n", []string{"GET", "", "longer line"}, []uint64{5, 6, 18}},
	{"delimiter:7e", "~ab~~cd~", []string{"ab", "cd"}, []uint64{4, 8}},
	{"delimiter:0d0a", "\rab\r\r\ncd\r\n", []string{"\rab\r", "cd"}, []uint64{6, 10}},
	{"fixed:3", "abcdef", []string{"abc", "def"}, []uint64{3, 6}},
	{"varint,offset=1", "\x30\x02ab\x30\x00", []string{"\x30\x02ab", "\x30\x00"}, []uint64{4, 6}},
	{"length:2,strip=2", "\x00\x03abc\x00\x00\x00\x01d", []string{"abc", "", "d"}, []uint64{5, 7, 10}},
	{"length:1,offset=1,adjust=-1,strip=1", "x\x01y\x03zz", []string{"\x01", "\x03zz"}, []uint64{2, 6}},
}

// mustHold checks that a connection keeps nothing of its frames.
func mustHoldNothing(t interface{ Errorf(string, ...any) }, s *Server, c *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.extra != nil || c.behind.Load() != 0 || s.held.Bytes() != 0 {
		t.Errorf("a connection whose frames are whole holds %+v, %d bytes behind; %d bytes are counted", c.extra,
			c.behind.Load(), s.held.Bytes())
	}
}

// The handler gets the same frames, with the same positions, wherever TCP cuts the stream.
func TestFramesAtAnyCut(t *testing.T) {
	for _, g := range gallery {
		for cut := range len(g.wire) {
			for size := range 2 { // in two reads, and byte by byte up to the cut
				r := &recorder{}
				s := framed(t, g.format, Config{Handler: r}, nil)
				k := s.connect(t, "", 0)
				if size == 0 {
					k.end.Received([]byte(g.wire[:cut]), s.now())
				} else {
					for i := range cut {
						k.end.Received([]byte(g.wire[i:i+1]), s.now())
					}
				}
				k.end.Received([]byte(g.wire[cut:]), s.now())
				if !slices.Equal(r.frames, g.frames) || !slices.Equal(r.positions, g.positions) {
					t.Errorf("%s cut at %d: %q at %v; expected %q at %v", g.format, cut, r.frames, r.positions, g.frames,
						g.positions)
				}
				mustHoldNothing(t, s, k.end.Conn)
				k.finish()
			}
		}
	}
}

// The same holds for any number of any cuts, and what is held between them is counted.
func TestFramesAtRandomCuts(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := rapid.SampledFrom(gallery).Draw(rt, "format")
		times := rapid.IntRange(1, 20).Draw(rt, "times")
		r := &recorder{}
		s := framed(t, g.format, Config{Handler: r}, nil)
		k := s.connect(t, "", 0)
		for rest := strings.Repeat(g.wire, times); rest != ""; {
			n := rapid.IntRange(1, min(len(rest), 40)).Draw(rt, "read")
			k.end.Received([]byte(rest[:n]), s.now())
			rest = rest[n:]
			behind := int64(k.end.behind.Load())
			if held := s.held.Bytes(); held < behind || behind == 0 && held != 0 {
				rt.Fatalf("%d bytes are counted, of half a frame of %d", held, behind)
			}
		}
		want := slices.Repeat(g.frames, times)
		if !slices.Equal(r.frames, want) || r.positions[len(want)-1] != uint64(times*len(g.wire)) {
			rt.Fatalf("%q at %v; expected %q", r.frames, r.positions, want)
		}
		mustHoldNothing(rt, s, k.end.Conn)
		k.finish()
	})
}

// A WholeFramer gets header and delimiter, but not the skipped bytes before them.
func TestWholeFrames(t *testing.T) {
	for _, g := range gallery {
		r := &wholeRecorder{}
		s := framed(t, g.format, Config{Handler: r}, nil)
		k := s.connect(t, "", 0)
		k.end.Received([]byte(g.wire), s.now())
		want := g.wire
		if g.format == "delimiter:7e" {
			want = "ab~cd~"
		}
		if got := strings.Join(r.frames, ""); got != want {
			t.Errorf("%s: %q; expected %q", g.format, got, want)
		}
		k.finish()
	}
}

type wholeRecorder struct{ recorder }

func (wholeRecorder) WholeFrames() bool { return true }

// Bytes that are no frames close the connection, behind the whole frames before them. Each of them is counted.
func TestFrameFault(t *testing.T) {
	for cut := range 11 {
		r := &recorder{}
		s := framed(t, "length:2", Config{Handler: r}, func(l *ListenerConfig) { l.MaxFrame = 8 })
		k := s.connect(t, "", 0)
		const wire = "\x00\x02ab\x00\x00\x7f\xffxyz"
		k.end.Received([]byte(wire[:cut]), s.now())
		k.end.Received([]byte(wire[cut:]), s.now())
		k.end.Ended()
		i := k.end.Info()
		if !slices.Equal(r.frames, []string{"\x00\x02ab", "\x00\x00"}) || r.ended || i.CloseReason != ReasonFrame ||
			!strings.HasPrefix(i.CloseText, "frame of length:2 at byte 6: its length field says 32767") ||
			i.BytesReceived != uint64(len(wire)) || i.DiscardedBytes != 5 || s.held.Bytes() != 0 {
			t.Errorf("cut at %d: %q, ended %v, %+v, %d held; expected two frames and FRAME with 5 bytes discarded", cut,
				r.frames, r.ended, i, s.held.Bytes())
		}
		k.finish()
	}
}

// The handler's answers to the frames before a fault are sent.
func TestFaultBehindOwedAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{on: func(c *Conn, _ []byte) { c.Owe() }}
		s := framed(t, "length:1", Config{Handler: r}, func(l *ListenerConfig) { l.MaxFrame = 8 })
		k := s.connect(t, "", 0)
		k.end.Received([]byte("\x01a\xff"), s.now())
		time.Sleep(200 * time.Millisecond)
		if _, err := k.end.Apply(Change{Data: []byte("answer"), Settled: true}); err != nil {
			t.Error(err)
		}
		if i := k.end.Info(); i.CloseReason != ReasonFrame || i.QueuedBytes != 6 {
			t.Errorf("%s with %d bytes queued; expected FRAME behind the answer", i.CloseReason, i.QueuedBytes)
		}
		k.finish()
	})
}

// halfServer returns a server whose peers may leave half a frame for 30 s.
func halfServer(t *testing.T, config Config) (*Server, *recorder, *kernel) {
	r := &recorder{}
	if config.Handler == nil {
		config.Handler = r
	}
	s := framed(t, "length:1", config, nil)
	time.Sleep(time.Second) // nothing happens in the first instant of a server
	k := s.connect(t, "", 0)
	k.end.Received([]byte("\x01a\x0ahalf"), s.now())
	return s, r, k
}

// Half a frame may wait for 30 s. More bytes of it change nothing, and the next frame has 30 s of its own.
func TestFrameTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r, k := halfServer(t, Config{})
		closed := func() bool { synctest.Wait(); return k.end.Info().CloseReason != event.ReasonNone }
		if n := s.totals().UnacknowledgedBytes; n < 5 {
			t.Errorf("%d bytes are counted, with 5 of half a frame", n)
		}
		for range 5 {
			time.Sleep(5 * time.Second)
			k.end.Received([]byte("+"), s.now())
		}
		time.Sleep(4999 * time.Millisecond)
		if closed() {
			t.Fatalf("closed before 30 s")
		}
		k.end.Received([]byte("!\x03"), s.now()) // the rest, and a byte of the next frame
		time.Sleep(29999 * time.Millisecond)
		if closed() || !slices.Equal(r.frames, []string{"\x01a", "\x0ahalf+++++!"}) {
			t.Fatalf("closed before 30 s of the second frame, with %q", r.frames)
		}
		time.Sleep(2 * time.Millisecond)
		const text = "frame of length:1 at byte 13: 1 bytes of it came, and not the rest within 30s"
		if i := k.end.Info(); !closed() || i.CloseReason != ReasonFrame || i.CloseText != text || i.DiscardedBytes != 1 ||
			s.held.Bytes() != 0 {
			t.Errorf("%+v, %d held; expected FRAME with %q", i, s.held.Bytes(), text)
		}
		k.finish()
	})
}

// The time of half a frame stands still while the peer is not read from, whatever the cause, and goes on afterwards.
func TestFrameTimeoutRests(t *testing.T) {
	for name, pause := range map[string]func(*Server, *kernel) (resume func()){
		"handler": func(_ *Server, k *kernel) func() { k.end.Pause(); return k.end.Resume },
		"queue": func(_ *Server, k *kernel) func() {
			_, _ = k.end.Send(make([]byte, 100_000))
			return func() { k.take(100_000) }
		},
		"rate": func(s *Server, k *kernel) func() {
			s.changeLimits(func(l *Limits) { l.ReceiveRate = 1 })
			k.end.Received([]byte("+++++"), s.now()) // a debt of 4 s
			return func() {
				s.changeLimits(func(l *Limits) { l.ReceiveRate = 0 })
				time.Sleep(time.Second)
				synctest.Wait()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _, k := halfServer(t, Config{})
				time.Sleep(20 * time.Second)
				resume := pause(s, k)
				if !k.is(&k.paused) {
					t.Fatal("reading goes on")
				}
				if name == "rate" {
					time.Sleep(3 * time.Second)
				} else {
					time.Sleep(time.Hour)
				}
				resume()
				time.Sleep(8 * time.Second)
				synctest.Wait()
				if i := k.end.Info(); i.CloseReason != event.ReasonNone || k.is(&k.paused) {
					t.Fatalf("closed with %s %q, paused %v; expected 9 s more at least", i.CloseReason, i.CloseText, k.is(&k.paused))
				}
				time.Sleep(3 * time.Second)
				synctest.Wait()
				if i := k.end.Info(); i.CloseReason != ReasonFrame {
					t.Errorf("closed with %s; expected FRAME", i.CloseReason)
				}
				k.finish()
			})
		})
	}
}

// A peer that finishes within a frame is told of: an Error event, the bytes as discarded, and the text of the close.
// The handler gets End, and no part of the frame.
func TestFinInHalfAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r, k := halfServer(t, Config{})
		k.end.Ended()
		const text = "the peer finished within a frame: 5 bytes of it came, from byte 2 on"
		i := k.end.Info()
		if !r.ended || !slices.Equal(r.frames, []string{"\x01a"}) || !slices.Equal(r.positions, []uint64{2, 7}) ||
			i.DiscardedBytes != 5 || i.CloseReason != ReasonPeerClosed || i.CloseText != text || s.held.Bytes() != 0 {
			t.Errorf("ended %v, %q at %v, %+v; expected PEER_CLOSED with %q", r.ended, r.frames, r.positions, i, text)
		}
		var told bool
		for _, e := range kept(t, s) {
			d, ok := e.Detail.(*event.ErrorDetail)
			told = told || ok && d.Operation == event.OpRead && d.Message == text
		}
		if !told {
			t.Error("no Error event tells of the half frame")
		}
		k.finish()
	})
}

// kept returns the events of a server so far.
func kept(t *testing.T, s *Server) []event.Event {
	t.Helper()
	sub, err := s.Subscribe(SubscribeRequest{After: "0"})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	var all []event.Event
	for {
		batch := sub.Poll(nil)
		if len(batch) == 0 {
			return all
		}
		all = append(all, batch...)
	}
}

// A connection that ends with half a frame counts it as discarded, and holds nothing.
func TestEndWithHalfAFrame(t *testing.T) {
	for name, end := range map[string]func(*Conn){
		"kick":  func(c *Conn) { c.end(ending{reason: ReasonKicked, answering: true}, time.Second) },
		"close": func(c *Conn) { c.Close(ReasonHandler) },
		"abort": func(c *Conn) { c.Abort(ReasonHandler) },
		"reset": func(c *Conn) { endpoint{c}.Failed(errors.New("test")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, _, k := halfServer(t, Config{})
				end(k.end.Conn)
				k.end.Received([]byte("more"), s.now())
				if i := k.end.Info(); i.DiscardedBytes != 9 || s.held.Bytes() != 0 {
					t.Errorf("%d discarded, %d held; expected 9 and none", i.DiscardedBytes, s.held.Bytes())
				}
				k.finish()
			})
		})
	}
}

// A handler that ends the connection in the middle of a read gets no further frame of it; the rest is counted. One that
// pauses it gets them all.
func TestStopInTheMiddle(t *testing.T) {
	for _, c := range []struct {
		name      string
		stop      func(*Conn)
		frames    int
		discarded uint64
	}{
		{"close", func(c *Conn) { c.Close(ReasonHandler) }, 2, 5},
		{"abort", func(c *Conn) { c.Abort(ReasonHandler) }, 2, 5},
		{"panic", func(*Conn) { panic("ouch") }, 2, 5},
		{"pause", (*Conn).Pause, 4, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, first := range []string{"", "\x01a", "\x01a\x01"} { // in an earlier read
				r := &recorder{}
				r.on = func(conn *Conn, _ []byte) {
					if len(r.frames) == 2 {
						c.stop(conn)
					}
				}
				s := framed(t, "length:1", Config{Handler: r}, nil)
				k := s.connect(t, "", 0)
				const wire = "\x01a\x01b\x01c\x01d\x05"
				if first != "" {
					k.end.Received([]byte(first), s.now())
				}
				k.end.Received([]byte(wire[len(first):]), s.now())
				if i := k.end.Info(); len(r.frames) != c.frames || i.DiscardedBytes != c.discarded {
					t.Errorf("behind %q: %q, %d discarded; expected %d frames and %d", first, r.frames, i.DiscardedBytes,
						c.frames, c.discarded)
				}
				k.end.Abort(ReasonHandler)
				k.finish()
				if n := s.held.Bytes(); n != 0 {
					t.Errorf("%d bytes are counted as held at the end", n)
				}
			}
		})
	}
}

// ReceiveMessageRate counts frames, however they came.
func TestMessageRateCountsFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{}
		s := framed(t, "length:1", Config{Handler: r, Limits: Limits{ReceiveMessageRate: 10}}, nil)
		time.Sleep(time.Second)
		k := s.connect(t, "", 0)
		for range 100 { // one frame, byte by byte: no more than one message
			k.end.Received([]byte("\x01"), s.now())
			k.end.Received([]byte("a"), s.now())
			k.end.Received([]byte(strings.Repeat("\x01a", 9)), s.now())
			if !k.is(&k.paused) && len(r.frames) > 10 {
				t.Fatalf("reading goes on after %d frames", len(r.frames))
			}
			for k.is(&k.paused) {
				time.Sleep(100 * time.Millisecond)
				synctest.Wait()
			}
		}
		if took := time.Duration(s.now()) - time.Second; took < 98*time.Second || took > 105*time.Second {
			t.Errorf("1000 frames came within %s; expected about 99 s", took)
		}
		k.finish()
	})
}

// A Data event shows one frame, as the handler gets it.
func TestDataEventsShowFrames(t *testing.T) {
	s := framed(t, "length:1,strip=1", Config{Handler: &recorder{}}, nil)
	sub, err := s.Subscribe(SubscribeRequest{MaxData: 10, Types: event.Types(0).With(event.Data)})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	k := s.connect(t, "", 0)
	k.end.Received([]byte("\x02ab\x00\x01"), s.now())
	k.end.Received([]byte("c"), s.now())
	var got []string
	for len(got) < 3 {
		events, err := sub.Next(context.Background(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			got = append(got, string(e.Detail.(*event.DataDetail).Bytes))
		}
	}
	if !slices.Equal(got, []string{"ab", "", "c"}) {
		t.Errorf("%q; expected the three frames", got)
	}
	k.finish()
}

// The configuration of frames is checked, and described.
func TestFramingConfig(t *testing.T) {
	f, err := frame.Parse("fixed:100")
	if err != nil {
		t.Fatal(err)
	}
	l := ListenerConfig{Address: ":0", Handler: &recorder{}, Frame: f, MaxFrame: 99}
	if _, err := New(Config{Node: "test", Listeners: []ListenerConfig{l}}); err == nil ||
		!strings.Contains(err.Error(), "fixed:100 has at least 100 bytes; at most 99") {
		t.Errorf("%v; expected that the frames do not fit", err)
	}
	s := framed(t, "fixed:100", Config{Handler: &recorder{}}, nil)
	if i := s.Gateway().Listeners[0]; i.Framing != "fixed:100" || i.MaxFrame != 64<<10 {
		t.Errorf("%+v; expected fixed:100 and 64 KiB", i)
	}
	s = idleServer(t, Config{})
	if i := s.Gateway().Listeners[0]; i.Framing != "raw" || i.MaxFrame != 0 {
		t.Errorf("%+v; expected raw and no bound", i)
	}
}

// BenchmarkFrames measures what frames cost beside BenchmarkAnswer.
func BenchmarkFrames(b *testing.B) {
	for _, format := range []string{"raw", "length:2", "line"} {
		for _, size := range []int{1, 16} {
			b.Run(fmt.Sprintf("%s/%d", format, size), func(b *testing.B) {
				s := framed(b, format, Config{Handler: echo{}}, nil)
				end := s.listeners[0].Admit(kernelSocket{}, netip.AddrPort{}, netip.AddrPort{})
				end.Opened()
				one := append([]byte{0, 62}, make([]byte, 62)...)
				one[63] = '\n'
				p, at := slices.Repeat(one, size), s.now()
				b.ReportAllocs()
				for b.Loop() {
					end.Received(p, at)
				}
			})
		}
	}
}
