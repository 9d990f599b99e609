package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/sockgate/sockgate/gateway/compare/internal/load"
	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
)

// margin is how long a measurement may take beyond its warm-up and its length: for starting, connecting and waiting for
// quiet.
const margin = time.Minute

// measurement is a measurement under way.
type measurement struct {
	*settings
	result.Measurement
	server *proc.Server
	tls    *tls.Config    // the load's; nil: plain TCP
	also   int            // number of another process of the load; 0: none
	others []*proc.Server // servers that serve with it
	marks  []mark
}

// mark is the processor time that the server, the load, and all programs on their cores had used at one moment.
type mark struct {
	at           time.Time
	server, load proc.CPU
	busy         time.Duration
	err          error
}

// measure starts a contestant, measures it under one workload, and ends it. rate is for Fixed: messages a second.
func (c *comparison) measure(
	ctx context.Context, x *contestant, w result.Workload, rate float64,
) (result.Measurement, error) {
	most := c.warm() + c.duration + margin
	ctx, cancel := context.WithTimeoutCause(ctx, most, fmt.Errorf("it took longer than %s", most))
	defer cancel()
	m := &measurement{settings: c.settings, Measurement: result.Measurement{Workload: w.Name, Contestant: x.name}}
	spec := x.spec()
	if w.TLS {
		spec, m.tls = x.tlsSpec(c.pair, 0), c.pair.Client
	}
	if w.GOGC > 0 {
		spec.Env = append(spec.Env, fmt.Sprintf("GOGC=%d", w.GOGC))
	}
	var err error
	if m.server, err = proc.Start(ctx, spec, c.serverCores); err != nil {
		return result.Measurement{}, err
	}
	defer m.server.Stop()
	switch w.Kind {
	case result.Echo, result.Fixed:
		err = m.echo(ctx, w, rate)
	case result.Churn:
		err = m.churn(ctx, w)
	case result.Idle:
		err = m.idle(ctx, w)
	case result.Broadcast:
		err = m.broadcast(ctx, w, x)
	}
	if err == nil {
		return m.Measurement, nil
	}
	if ended := m.server.Err(); ended != nil {
		err = fmt.Errorf("%w: %w", err, ended)
	} else if errors.Is(err, context.DeadlineExceeded) {
		err = context.Cause(ctx)
	}
	return result.Measurement{}, fmt.Errorf("%s under %s: %w; to go on without it, leave it out of --only or --workloads",
		x.name, w.Name, err)
}

// client returns a client of the server without connections.
func (m *measurement) client(size int) (*load.Client, error) {
	if m.tls != nil {
		return load.NewTLSClient(m.server.Address(data), size, m.tls)
	}
	return load.NewClient(m.server.Address(data), size)
}

func (m *measurement) mark() {
	server, err1 := proc.ReadCPU(m.server.PID())
	for _, s := range m.others {
		cpu, err := proc.ReadCPU(s.PID())
		server, err1 = server.And(cpu), errors.Join(err1, err)
	}
	harness, err2 := proc.ReadCPU(os.Getpid())
	var more proc.CPU
	var err3 error
	if m.also != 0 {
		more, err3 = proc.ReadCPU(m.also)
	}
	busy, err4 := proc.ReadBusy(m.cores())
	m.marks = append(m.marks, mark{at: time.Now(), server: server, load: harness.And(more), busy: busy,
		err: errors.Join(err1, err2, err3, err4)})
}

// cores returns the cores of the servers and of the load.
func (s *settings) cores() proc.Cores {
	both := slices.Concat(s.serverCores, s.loadCores)
	slices.Sort(both)
	return slices.Compact(both)
}

// costs fills in the processor time that was used between the two marks.
func (m *measurement) costs() error {
	if len(m.marks) != 2 {
		return fmt.Errorf("%d marks; expected 2", len(m.marks))
	}
	if err := errors.Join(m.marks[0].err, m.marks[1].err); err != nil {
		return err
	}
	server := m.marks[1].server.Since(m.marks[0].server)
	m.CPU, m.User, m.System = server.Total.Seconds(), server.User.Seconds(), server.System.Seconds()
	m.LoadCPU = m.marks[1].load.Since(m.marks[0].load).Total.Seconds()
	others := (m.marks[1].busy - m.marks[0].busy).Seconds() - m.CPU - m.LoadCPU
	m.Others = max(0, others/(m.marks[1].at.Sub(m.marks[0].at).Seconds()*float64(len(m.cores()))))
	return nil
}

// window returns the part of the load that is measured.
func (m *measurement) window() load.Window {
	return load.Window{Warm: m.warm(), Length: m.duration, Mark: m.mark}
}

// take fills in the load's result.
func (m *measurement) take(r load.Result) error {
	m.Count, m.Elapsed, m.Unanswered, m.Latency = r.Messages, r.Elapsed.Seconds(), r.Unanswered, percentiles(r.Latency)
	if m.Count == 0 {
		return errors.New("nothing came back while it was measured")
	}
	return m.costs()
}

func percentiles(h *hdrhistogram.Histogram) result.Percentiles {
	at := h.ValueAtPercentiles([]float64{50, 90, 99, 99.9})
	return result.Percentiles{P50: at[50], P90: at[90], P99: at[99], P999: at[99.9], Max: h.Max()}
}

func (m *measurement) echo(ctx context.Context, w result.Workload, rate float64) error {
	client, err := m.client(w.Size)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := m.open(ctx, client, w.Conns); err != nil {
		return err
	}
	var r load.Result
	if w.Kind == result.Fixed {
		m.AskedRate = rate
		r, err = client.Fixed(ctx, rate, m.window())
	} else {
		r, err = client.Echo(ctx, m.window())
	}
	if err != nil {
		return err
	}
	return m.take(r)
}

func (m *measurement) churn(ctx context.Context, w result.Workload) error {
	var r load.Result
	var err error
	if m.tls != nil {
		r, err = load.ChurnTLS(ctx, m.server.Address(data), w.Conns, w.Size, m.tls, m.window())
	} else {
		r, err = load.Churn(ctx, m.server.Address(data), w.Conns, w.Size, m.window())
	}
	if err != nil {
		return err
	}
	return m.take(r)
}

// open makes n more connections, and returns when the server has accepted them all. It makes no more at once than fit
// into the server's backlog.
func (m *measurement) open(ctx context.Context, client *load.Client, n int) error {
	const batch = 500
	before, err := m.settled(ctx)
	for ; err == nil && n > 0; n -= batch {
		if err = client.Open(ctx, min(n, batch)); err == nil {
			before += min(n, batch)
			err = m.accepted(ctx, before)
		}
	}
	return err
}

// settled waits until the server no longer opens and closes descriptors for itself, as it does when it starts, and
// returns how many it has then.
func (m *measurement) settled(ctx context.Context) (int, error) {
	have, err := proc.Descriptors(m.server.PID())
	for same := 0; err == nil && same < 5; {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
		before := have
		if have, err = proc.Descriptors(m.server.PID()); have == before {
			same++
		} else {
			same = 0
		}
	}
	return have, err
}

// accepted waits until the server has n descriptors.
func (m *measurement) accepted(ctx context.Context, n int) error {
	for {
		have, err := proc.Descriptors(m.server.PID())
		if err != nil || have >= n {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the server has %d descriptors; expected %d when it has accepted all connections: %w",
				have, n, ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

// broadcast measures a contestant that sends to all of its connections.
func (m *measurement) broadcast(ctx context.Context, w result.Workload, c *contestant) error {
	client, err := m.client(w.Size)
	if err != nil {
		return err
	}
	defer client.Close()
	if err := m.open(ctx, client, w.Conns); err != nil {
		return err
	}
	b, err := c.trigger(m.server)
	if err != nil {
		return err
	}
	defer b.Close()
	return m.broadcasts(ctx, client, b, w)
}
