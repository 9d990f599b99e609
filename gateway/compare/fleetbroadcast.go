package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/sockgate/sockgate/gateway/compare/internal/load"
	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
)

// broadcast measures broadcasts to the connections of one node that runs alone, or to as many over all nodes of the
// fleet.
func (l *fleet) broadcast(ctx context.Context, w result.Workload, name string) (result.Measurement, error) {
	most := l.warm() + l.duration + margin
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it took longer than %s", most))
	defer cancel()
	servers, stop, err := l.servers(ctx, name)
	if err != nil {
		return result.Measurement{}, err
	}
	defer stop()
	client, err := load.NewClient(servers[0].Address(data), w.Size)
	if err != nil {
		return result.Measurement{}, err
	}
	defer client.Close()
	for _, s := range servers {
		m := &measurement{settings: l.settings, server: s}
		if err := client.Toward(s.Address(data)); err != nil {
			return result.Measurement{}, err
		}
		if err := m.open(ctx, client, w.Conns/len(servers)); err != nil {
			return result.Measurement{}, err
		}
	}
	plane, err := newControlPlane(servers[0])
	if err != nil {
		return result.Measurement{}, err
	}
	defer plane.Close()
	if len(servers) > 1 {
		if err := plane.assembled(ctx, len(servers)); err != nil {
			return result.Measurement{}, err
		}
	}
	m := &measurement{settings: l.settings, server: servers[0], others: servers[1:]}
	err = m.broadcasts(ctx, client, plane, w)
	return m.Measurement, err
}

// servers starts the one node, or all nodes of the fleet, on the same cores.
func (l *fleet) servers(ctx context.Context, name string) (servers []*proc.Server, stop func(), err error) {
	if name == threeNodes {
		return l.start(ctx, l.serverCores, 0, 1, 2)
	}
	x := l.gateway(alone)
	s, err := proc.Start(ctx, x.spec(), l.serverCores)
	if err != nil {
		return nil, nil, err
	}
	return []*proc.Server{s}, s.Stop, nil
}

// broadcasts sends to all connections again and again. Latency is the time until the last connection has a message.
func (m *measurement) broadcasts(ctx context.Context, client *load.Client, b broadcaster, w result.Workload) error {
	message := slices.Repeat([]byte{'b'}, w.Size)
	trigger := func(ctx context.Context) error { return b.broadcast(ctx, message, w.Conns) }
	if _, err := client.Broadcast(ctx, message, trigger); err != nil { // the first one warms up
		return err
	}
	latency := hdrhistogram.New(1000, int64(2*time.Minute), 3)
	m.mark()
	begin := time.Now()
	for time.Since(begin) < m.duration || m.Count < 3 {
		took, err := client.Broadcast(ctx, message, trigger)
		if err == nil {
			err = latency.RecordValue(int64(took))
		}
		if err != nil {
			return err
		}
		m.Count++
	}
	m.Elapsed = time.Since(begin).Seconds()
	m.mark()
	m.Latency = percentiles(latency)
	return m.costs()
}
