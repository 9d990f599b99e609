package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sockgate/sockgate/gateway/compare/internal/load"
	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
	"github.com/sockgate/sockgate/gateway/compare/internal/selfsigned"
)

// victim is a contestant that is flooded.
type victim struct {
	*flood
	contestant *contestant
	results    *result.Results
	pair       *selfsigned.Pair
	progress   io.Writer

	server    *proc.Server
	client    *load.Client
	attackers *attackers
}

// measure starts the server, the clients and the attackers, and measures all rounds with them.
func (v *victim) measure(ctx context.Context) (err error) {
	v.results.Contestants = append(v.results.Contestants,
		result.Undisturbed(v.contestant.name), result.Flooded(v.contestant.name))
	if v.server, err = proc.Start(ctx, v.contestant.tlsSpec(v.pair, v.timeout), v.serverCores); err != nil {
		return err
	}
	defer v.server.Stop()
	if v.client, err = load.NewTLSClient(v.server.Address(data), floodSize, v.pair.Client); err != nil {
		return err
	}
	defer v.client.Close()
	if err := v.client.Open(ctx, v.clients); err != nil {
		return err
	}
	if v.attackers, err = startAttackers(ctx, v.config(v.server.Address(data))); err != nil {
		return err
	}
	err = v.attackers.stop(v.allRounds(ctx))
	return errors.Join(err, v.server.Err())
}

// allRounds measures undisturbed and flooded in turn, and notes how many connections the server says that it refused.
func (v *victim) allRounds(ctx context.Context) error {
	for round := 1; round <= v.rounds; round++ {
		for _, flooded := range []bool{false, true} {
			m, err := v.phase(ctx, flooded)
			if err != nil {
				return err
			}
			m.Round = round
			v.results.Measurements = append(v.results.Measurements, m)
			_, _ = fmt.Fprintf(v.progress, "round %d/%d  %-24s %s\n", round, v.rounds, m.Contestant, m.Line(result.Flood))
		}
	}
	if !v.server.Address(control).IsValid() {
		return nil
	}
	refused, err := v.refused(ctx)
	v.results.Notes = append(v.results.Notes,
		fmt.Sprintf("%s says that it refused, all in all: %s", v.contestant.name, refused))
	return err
}

// phase measures once. The clients go on while the flood comes or goes. Their results count when the flood is up, or
// gone, and the warm-up has passed after that.
func (v *victim) phase(ctx context.Context, flooded bool) (result.Measurement, error) {
	most := 2*v.timeout + v.warm() + v.duration + margin
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it took longer than %s", most))
	defer cancel()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	defer context.AfterFunc(ctx, v.attackers.kill)() // nothing else ends the wait for an answer
	m := &measurement{settings: v.settings, server: v.server, also: v.attackers.pid(), Measurement: result.Measurement{
		Workload: v.workload().Name, Contestant: result.Undisturbed(v.contestant.name), AskedRate: v.rate}}
	if flooded {
		m.Contestant = result.Flooded(v.contestant.name)
	}
	t := &tide{attackers: v.attackers, timeout: v.timeout, rises: flooded,
		turned: make(chan struct{}), ended: make(chan struct{})}
	go t.turn(ctx, fail)
	w := m.window()
	w.Ready, w.Sleep = t.turned, true
	r, err := v.client.Fixed(ctx, v.rate, w)
	if err != nil {
		fail(err)
	}
	<-t.ended
	if err != nil {
		return result.Measurement{}, context.Cause(ctx)
	}
	if err := errors.Join(m.take(r), t.count(m)); err != nil {
		return result.Measurement{}, err
	}
	m.Descriptors, err = proc.Descriptors(v.server.PID())
	return m.Measurement, err
}

// tide is the coming or the going of a flood.
type tide struct {
	attackers *attackers
	timeout   time.Duration // of a handshake
	rises     bool
	turned    chan struct{} // closed when the flood is up, or gone
	ended     chan struct{} // closed when turn has ended

	state load.FloodState // when it was up, or gone
	at    time.Time
}

// turn makes the flood come or go. It fails the measurement when that fails.
func (t *tide) turn(ctx context.Context, fail context.CancelCauseFunc) {
	defer close(t.ended)
	var err error
	if t.rises {
		t.state, err = t.attackers.hold(ctx, t.timeout)
	} else {
		t.state, err = t.attackers.order(release)
	}
	if err != nil {
		fail(err)
		return
	}
	t.at = time.Now()
	close(t.turned)
}

// count fills in the attackers' acts since the tide turned.
func (t *tide) count(m *measurement) error {
	now, err := t.attackers.order(count)
	m.Held = min(t.state.Held, now.Held)
	m.Cut = float64(now.Cut-t.state.Cut) / time.Since(t.at).Seconds()
	return err
}

// refused returns how many connections the gateway says that it refused, by reason.
func (v *victim) refused(ctx context.Context) (string, error) {
	plane, err := newControlPlane(v.server)
	if err != nil {
		return "", err
	}
	defer plane.Close()
	return plane.refused(ctx)
}
