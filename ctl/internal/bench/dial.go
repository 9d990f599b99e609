package bench

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
)

const (
	portsPerSource = 20_000 // that can be relied on: Linux has 28,232 by default
	churnSources   = 50     // a closed connection keeps its port for a minute
	maxSources     = 250
)

// sourceAddresses are the local addresses to connect from. One loopback address has too few ports for many
// connections to one server. Where the system has them all configured, as Linux has, there are many more loopback
// addresses.
func sourceAddresses(network, address string, given []string, sockets int, churn bool) ([]net.Addr, error) {
	if len(given) > 0 && network != "tcp" {
		return nil, app.Usagef("--source is for TCP; %s is no TCP address", address)
	}
	if len(given) > maxSources {
		return nil, app.Usagef("--source was given %d times; give at most %d", len(given), maxSources)
	}
	var found []net.Addr
	for _, text := range given {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, app.Usagef("--source %q is not an IP address; give one of this machine's, for example 127.0.0.2", text)
		}
		found = append(found, net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
	}
	if len(found) > 0 || network != "tcp" {
		return found, nil
	}
	wanted := sockets/portsPerSource + 1
	if churn {
		wanted = churnSources
	}
	return loopbackSources(address, wanted), nil
}

// loopbackSources are n addresses of 127.0.0.0/8; none if the target is elsewhere, one would do, or the system has only
// one.
func loopbackSources(address string, n int) []net.Addr {
	target, err := netip.ParseAddrPort(address)
	if err != nil || !target.Addr().Is4() || !target.Addr().IsLoopback() || n < 2 {
		return nil
	}
	probe, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		return nil
	}
	_ = probe.Close()
	var found []net.Addr
	for i := range min(n, maxSources) {
		found = append(found, &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(i+1))})
	}
	return found
}

// connect opens socket number i, with its TLS handshake.
func (b *benchmark) connect(ctx context.Context, i int) (net.Conn, error) {
	socket, err := b.dial(ctx, i)
	if err != nil || b.secure == nil {
		return socket, err
	}
	ctx, cancel := context.WithTimeout(ctx, b.app.Timeout)
	defer cancel()
	return app.Handshake(ctx, socket, b.secure)
}

// dial opens the network connection of socket number i.
func (b *benchmark) dial(ctx context.Context, i int) (net.Conn, error) {
	if b.app.Env.Dial != nil {
		return b.app.Env.Dial(ctx, b.network, b.address)
	}
	dialer := net.Dialer{Timeout: b.app.Timeout, KeepAlive: -1}
	if len(b.sources) > 0 {
		dialer.LocalAddr, dialer.Control = b.sources[i%len(b.sources)], bindWithoutPort
	}
	return dialer.DialContext(ctx, b.network, b.address)
}

// opened is the result of opening many connections.
type opened struct {
	sockets   []net.Conn
	latencies *latencies
	took      time.Duration
}

// open opens n connections, several at once, and counts failures. It gives up when none succeeds, or when ctx ends.
func (b *benchmark) open(ctx context.Context, n int) *opened {
	o := &opened{latencies: newLatencies()}
	var next, succeeded, failed atomic.Int64
	stop := showProgress(b.app, "connecting", func() (float64, string) {
		done := succeeded.Load()
		return float64(done) / float64(n), app.Plural(uint64(done), "connection")
	})
	defer stop()
	var mu sync.Mutex
	var dialers sync.WaitGroup
	begun := b.now()
	for range min(n, maxDialers) {
		dialers.Go(func() {
			for ctx.Err() == nil && (succeeded.Load() > 0 || failed.Load() < maxDialers) {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				from := b.now()
				socket, err := b.connect(ctx, i)
				if err != nil {
					if ctx.Err() == nil {
						failed.Add(1)
						b.failures.add(err)
					}
					continue
				}
				succeeded.Add(1)
				o.latencies.shard(i).record(b.now() - from)
				mu.Lock()
				o.sockets = append(o.sockets, socket)
				mu.Unlock()
			}
		})
	}
	dialers.Wait()
	o.took = b.now() - begun
	b.interrupted = b.interrupted || ctx.Err() != nil
	return o
}

// close closes the connections that are still open.
func (o *opened) close() {
	for _, socket := range o.sockets {
		_ = socket.Close()
	}
}

// perSecond is how many connections were opened a second.
func (o *opened) perSecond() float64 { return perSecond(int64(len(o.sockets)), o.took) }

func perSecond(n int64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return rounded(float64(n) / d.Seconds())
}
