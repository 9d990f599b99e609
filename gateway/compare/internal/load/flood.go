package load

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// FloodConfig says how a server is flooded.
type FloodConfig struct {
	Server netip.AddrPort `json:"server"`
	Silent int            `json:"silent"` // attackers that connect and send nothing
	Half   int            `json:"half"`   // that send half a ClientHello, and then nothing
	Whole  int            `json:"whole"`  // that send a whole one, and then nothing
	Slow   int            `json:"slow"`   // that send a byte of one each Drip (slowloris)
	Drip   time.Duration  `json:"drip"`
	Pace   int            `json:"pace"` // new connections a second at most
}

// Attackers returns how many there are.
func (c FloodConfig) Attackers() int { return c.Silent + c.Half + c.Whole + c.Slow }

// FloodState counts a flood's attackers and their connections.
type FloodState struct {
	Held   int `json:"held"`   // are connected now
	Opened int `json:"opened"` // connections made, all in all
	Cut    int `json:"cut"`    // of these, ended by the server; each was replaced
	Failed int `json:"failed"` // connections that could not be made; each was tried again
}

// Flood keeps TLS handshakes open that never end: attackers connect, and an attacker that the server cuts connects
// again. It costs little on this side: the ClientHello is always the same, and answers are not read. One goroutine at a
// time may use it.
type Flood struct {
	config    FloodConfig
	server    target
	poll      *poller
	hello     []byte
	start     time.Time
	holding   bool
	attackers []attacker
	waiting   []int         // attackers without a connection, the next one first
	connects  time.Duration // when the next may connect
	drips     time.Duration // when the next byte of a slow one is due
	slow      int           // the slow one whose byte that is
	state     FloodState
}

// attacker is one connection at a time.
type attacker struct {
	fd        int32 // -1: none
	connected bool
	sent      int // bytes of the ClientHello
}

// NewFlood returns a flood that has not begun.
func NewFlood(c FloodConfig) (*Flood, error) {
	if c.Attackers() == 0 || c.Pace <= 0 || c.Slow > 0 && c.Drip <= 0 {
		return nil, fmt.Errorf("flood %+v: expected attackers, a pace, and a drip for slow ones", c)
	}
	t, err := newTarget(c.Server)
	if err != nil {
		return nil, err
	}
	hello, err := clientHello()
	if err != nil {
		return nil, err
	}
	p, err := newPoller()
	if err != nil {
		return nil, err
	}
	f := &Flood{config: c, server: t, poll: p, hello: hello, start: time.Now(), attackers: make([]attacker, c.Attackers())}
	for i := range f.attackers {
		f.attackers[i].fd = -1
		f.waiting = append(f.waiting, i)
	}
	return f, nil
}

// Close ends the flood.
func (f *Flood) Close() {
	f.Release()
	f.poll.close()
}

// Hold begins the flood: from now on Step keeps all attackers connected.
func (f *Flood) Hold() { f.holding = true }

// Release ends all connections, until the next Hold.
func (f *Flood) Release() {
	f.holding = false
	for i := range f.attackers {
		if f.attackers[i].fd >= 0 {
			f.end(i)
		}
	}
}

// State returns the counts of the attackers and their connections.
func (f *Flood) State() FloodState { return f.state }

// Step makes the connects and sends that are due, and sees which connections were cut, for about a millisecond; when
// nothing is held up it only waits.
func (f *Flood) Step() error {
	timeout := 10 * time.Millisecond
	if f.holding {
		timeout = time.Millisecond
		now := time.Since(f.start)
		err := f.connect(now)
		f.drip(now)
		if err != nil {
			return err
		}
	}
	events, err := f.poll.wait(timeout)
	if err != nil {
		return err
	}
	for i := range events {
		f.handle(int(events[i].Fd), events[i].Events)
	}
	return nil
}

// late is the longest delay of the pace that later connections make up for.
const late = 100 * time.Millisecond

// connect starts the connections that the pace allows by now.
func (f *Flood) connect(now time.Duration) error {
	f.connects = max(f.connects, now-late)
	for ; f.connects <= now && len(f.waiting) > 0; f.connects += time.Second / time.Duration(f.config.Pace) {
		fd, err := f.server.connect()
		if errors.Is(err, unix.ECONNREFUSED) {
			f.state.Failed++
			continue
		}
		if err != nil {
			return err
		}
		i := f.waiting[0]
		f.waiting = f.waiting[1:]
		f.attackers[i] = attacker{fd: int32(fd)}
		// Edge-triggered, and no EPOLLIN: once when it is connected, and once when the server ends it.
		if err := f.poll.control(unix.EPOLL_CTL_ADD, fd, i, unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET); err != nil {
			return err
		}
	}
	return nil
}

// drip sends the bytes of slow attackers that are due: one of each in turn, evenly, so that each has one in every Drip.
func (f *Flood) drip(now time.Duration) {
	if f.config.Slow == 0 {
		return
	}
	f.drips = max(f.drips, now-late)
	for ; f.drips <= now; f.drips += max(1, f.config.Drip/time.Duration(f.config.Slow)) {
		i := len(f.attackers) - f.config.Slow + f.slow
		f.slow = (f.slow + 1) % f.config.Slow
		if a := &f.attackers[i]; a.connected && a.sent < len(f.hello)-1 {
			f.send(i, a.sent+1)
		}
	}
}

// handle sees that an attacker is connected, or cut.
func (f *Flood) handle(i int, events uint32) {
	a := &f.attackers[i]
	switch ended := events&(unix.EPOLLRDHUP|unix.EPOLLHUP|unix.EPOLLERR) != 0; {
	case ended && a.connected:
		f.state.Cut++
		f.end(i)
	case ended:
		f.state.Failed++
		f.end(i)
	case !a.connected:
		a.connected = true
		f.state.Held++
		f.state.Opened++
		f.send(i, f.first(i))
	}
}

// first returns how much of the ClientHello an attacker sends at once.
func (f *Flood) first(i int) int {
	switch i -= f.config.Silent; {
	case i < 0:
		return 0
	case i < f.config.Half:
		return len(f.hello) / 2
	case i < f.config.Half+f.config.Whole:
		return len(f.hello)
	default:
		return 1
	}
}

// send sends the ClientHello up to an offset. A connection on which that fails is being cut, which makes an event.
func (f *Flood) send(i, to int) {
	a := &f.attackers[i]
	if to == a.sent {
		return
	}
	n, errno := rawWrite(a.fd, f.hello[a.sent:to])
	if errno == 0 {
		a.sent += n
	}
}

// end ends an attacker's connection, so that it connects again when it is its turn.
func (f *Flood) end(i int) {
	a := &f.attackers[i]
	abort(int(a.fd))
	if a.connected {
		f.state.Held--
	}
	*a = attacker{fd: -1}
	f.waiting = append(f.waiting, i)
}

// clientHello returns the first bytes that Go's TLS client sends.
func clientHello() ([]byte, error) {
	r := new(recorder)
	if err := tls.Client(r, &tls.Config{ServerName: "localhost",
		MinVersion: tls.VersionTLS13}).Handshake(); !errors.Is(err, errRecorded) {
		return nil, fmt.Errorf("recording a ClientHello: %w", err)
	}
	return r.said.Bytes(), nil
}

// recorder keeps the written bytes, and fails when an answer is expected. crypto/tls calls nothing but Read and Write
// on it.
type recorder struct {
	net.Conn // nil
	said     bytes.Buffer
}

// errRecorded ends a handshake when all of the ClientHello is recorded.
var errRecorded = errors.New("nobody answers")

// Write keeps p.
func (r *recorder) Write(p []byte) (int, error) { return r.said.Write(p) }

// Read fails: there is no server.
func (r *recorder) Read([]byte) (int, error) { return 0, errRecorded }
