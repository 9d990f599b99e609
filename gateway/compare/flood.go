package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"time"

	"github.com/sockgate/sockgate/gateway/compare/internal/load"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
)

// floodCommand is the first argument for measuring a flood.
const floodCommand = "flood"

// flood measures how TLS handshakes that never end disturb established connections.
type flood struct {
	*settings
	clients  int     // established connections
	rate     float64 // messages a second of all clients together
	halfOpen int     // attackers: a third each send nothing, half a ClientHello, or a whole one
	slow     int     // attackers that send a byte for each drip
	drip     time.Duration
	timeout  time.Duration // of a handshake
}

// floodSize is the length of a message of established clients.
const floodSize = 64

// parseFlood reads the flags of a flood.
func parseFlood(args []string, stderr io.Writer) (*flood, error) {
	l := &flood{settings: &settings{}}
	f := flag.NewFlagSet("compare "+floodCommand, flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&l.clients, "clients", 0, "established TLS clients, which echo 64 bytes (default 1000; 20 with --quick)")
	f.Float64Var(&l.rate, "rate", 0, "messages a second of all clients (default 5000; 400 with --quick)")
	f.IntVar(&l.halfOpen, "half-open", 0,
		"attackers that send nothing, half a ClientHello, or a whole one and then nothing (default 5000; 30 with --quick)")
	f.IntVar(&l.slow, "slow", 0, "attackers that send a byte of a ClientHello a second (default 2000; 12 with --quick)")
	f.DurationVar(&l.timeout, "handshake-timeout", 0, "of the servers, by their flags (default 10s; 500ms with --quick)")
	if err := l.parse(f, args); err != nil {
		return l, err
	}
	if l.quick {
		l.fill(20, 400, 30, 12, 20*time.Millisecond, 500*time.Millisecond)
	} else {
		l.fill(1000, 5000, 5000, 2000, time.Second, 10*time.Second)
	}
	if l.clients < 1 || l.rate <= 0 || l.halfOpen < 0 || l.slow < 0 || l.halfOpen+l.slow < 1 ||
		l.timeout < 10*time.Millisecond {
		return l, fmt.Errorf("--clients %d --rate %g --half-open %d --slow %d --handshake-timeout %s: "+
			"expected a client, a rate, an attacker and 10ms at least", l.clients, l.rate, l.halfOpen, l.slow, l.timeout)
	}
	return l, nil
}

// fill sets the values that no flag has set.
func (l *flood) fill(clients int, rate float64, halfOpen, slow int, drip, timeout time.Duration) {
	setDefault(&l.clients, clients)
	setDefault(&l.rate, rate)
	setDefault(&l.halfOpen, halfOpen)
	setDefault(&l.slow, slow)
	setDefault(&l.drip, drip)
	setDefault(&l.timeout, timeout)
}

// setDefault sets *p if it is the zero value.
func setDefault[T comparable](p *T, value T) {
	var unset T
	if *p == unset {
		*p = value
	}
}

// workload returns the workload, which is measured with and without attackers.
func (l *flood) workload() result.Workload {
	return result.Workload{Name: fmt.Sprintf("flood-%d", l.clients), Kind: result.Flood, Size: floodSize, TLS: true,
		Conns: l.clients + l.halfOpen + l.slow,
		Text: fmt.Sprintf("%d established TLS connections that echo %d bytes, %g messages a second in all, "+
			"undisturbed and beside %d half-open handshakes and %d slowloris clients; a handshake may take %s",
			l.clients, floodSize, l.rate, l.halfOpen, l.slow, l.timeout)}
}

// config returns how to flood a server. New attackers come evenly, a fifth faster than the server cuts them.
func (l *flood) config(server netip.AddrPort) load.FloodConfig {
	third := l.halfOpen / 3
	c := load.FloodConfig{Server: server, Silent: third, Half: third, Whole: l.halfOpen - 2*third, Slow: l.slow,
		Drip: l.drip}
	c.Pace = 1 + int(1.2*float64(c.Attackers())/l.timeout.Seconds())
	return c
}

// measure floods each contestant in turn, and shows the results.
func (l *flood) measure(ctx context.Context, stdout, progress io.Writer) error {
	dir, err := os.MkdirTemp("", "compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := l.newComparison(ctx, dir, []result.Workload{l.workload()}, progress)
	if err != nil {
		return err
	}
	c.results.Contestants = nil // each contestant becomes two: undisturbed and flooded
	for i := range c.contestants {
		v := &victim{flood: l, contestant: &c.contestants[i], results: c.results, pair: c.pair, progress: progress}
		if err := v.measure(ctx); err != nil {
			return fmt.Errorf("%s under %s: %w", v.contestant.name, c.results.Workloads[0].Name, err)
		}
		if err := l.save(c.results, "flood.json"); err != nil { // a later one may fail
			return err
		}
	}
	_, err = fmt.Fprint(stdout, c.results.FloodTables())
	return err
}
