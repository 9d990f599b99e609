package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
	"github.com/sockgate/sockgate/gateway/compare/internal/selfsigned"
)

// share is the part of the first contestant's capacity that Fixed loads every server with.
const share = 0.6

// comparison runs all rounds of all contestants under all workloads.
type comparison struct {
	*settings
	contestants []contestant
	results     *result.Results
	pair        *selfsigned.Pair // for TLS workloads
	progress    io.Writer
}

// newComparison builds the contestants of workloads into dir, and puts this process on the load's cores.
func (s *settings) newComparison(
	ctx context.Context, dir string, workloads []result.Workload, progress io.Writer,
) (*comparison, error) {
	c := &comparison{settings: s, progress: progress, results: s.newResults()}
	c.results.Workloads = workloads
	if err := c.checkLimits(); err != nil {
		return nil, err
	}
	var err error
	if c.pair, err = selfsigned.Make(dir); err != nil {
		return nil, err
	}
	if err := c.prepare(ctx, dir); err != nil {
		return nil, err
	}
	if len(c.contestants) == 0 {
		return nil, errors.New("no contestant is left to measure: " +
			"none of those that --only names, or that are installed, takes part in these workloads")
	}
	return c, proc.Stay(s.loadCores)
}

// compare builds the contestants, measures them in rounds, and shows the results.
func (s *settings) compare(ctx context.Context, stdout, progress io.Writer) error {
	workloads, err := s.chooseWorkloads()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c, err := s.newComparison(ctx, dir, workloads, progress)
	if err != nil {
		return err
	}
	for round := 1; round <= s.rounds; round++ {
		if err := c.round(ctx, round); err != nil {
			return err
		}
		if err := s.save(c.results, "results.json"); err != nil { // a later round may fail
			return err
		}
	}
	return s.show(c.results, stdout)
}

func (s *settings) newResults() *result.Results {
	r := &result.Results{
		Date: time.Now().UTC().Truncate(time.Second), Machine: machine(), Versions: make(map[string]string),
		Rounds: s.rounds, Seconds: s.duration.Seconds(), ServerCores: s.serverCores.String(), LoadCores: s.loadCores.String(),
	}
	if slices.ContainsFunc(s.serverCores, func(n int) bool { return slices.Contains(s.loadCores, n) }) {
		r.Notes = append(r.Notes, "servers and load share a core, and disturb each other")
	}
	if s.quick || s.rounds < 5 || s.duration < time.Second {
		r.Notes = append(r.Notes, "a short run, which shows that everything works and compares nothing: "+
			"use at least five rounds and a second")
	}
	return r
}

// checkLimits refuses workloads that need more descriptors than there are.
func (c *comparison) checkLimits() error {
	limit, err := proc.DescriptorLimit()
	if err != nil {
		return err
	}
	for _, w := range c.results.Workloads {
		// The gateway keeps up to 1,024 descriptors for its control plane.
		if need := uint64(w.Conns + warmConns + 1024 + 64); w.Conns > 1000 && need > limit {
			return fmt.Errorf("%s needs %d file descriptors a process, and the hard limit is %d: "+
				"raise it with ulimit -Hn, or leave the workload out with --workloads", w.Name, need, limit)
		}
	}
	return nil
}

// prepare builds the contestants of the workloads. A contestant that cannot be built here is left out with a note; it
// is an error if --only names it.
func (c *comparison) prepare(ctx context.Context, dir string) error {
	chosen, err := c.chooseContestants(dir)
	if err != nil {
		return err
	}
	for i := range chosen {
		x := &chosen[i]
		if !slices.ContainsFunc(c.results.Workloads, x.takesPart) {
			continue
		}
		_, _ = fmt.Fprintf(c.progress, "building %s\n", x.name)
		version, err := x.prepare(ctx)
		if errors.Is(err, errMissing) && len(c.only) == 0 {
			c.results.Notes = append(c.results.Notes, err.Error()+", and was left out")
			continue
		}
		if errors.Is(err, errMissing) {
			return fmt.Errorf("%w: install it, or leave the contestant out of --only", err)
		}
		if err != nil {
			return err
		}
		c.contestants = append(c.contestants, *x)
		c.results.Contestants = append(c.results.Contestants, x.name)
		c.results.Versions[x.name] = version
	}
	return nil
}

// round measures everything once: for each workload all contestants one after the other. Each round begins with another
// contestant, so that changes of the machine over time meet all of them.
func (c *comparison) round(ctx context.Context, round int) error {
	for _, w := range c.results.Workloads {
		rate := 0.0
		if w.Kind == result.Fixed {
			var err error
			if rate, err = c.capacity(ctx, round, w); err != nil {
				return err
			}
			rate *= share
		}
		for i := range c.contestants {
			x := &c.contestants[(i+round-1)%len(c.contestants)]
			if !x.takesPart(w) {
				continue
			}
			m, err := c.measure(ctx, x, w, rate)
			if err != nil {
				return err
			}
			m.Round = round
			c.results.Measurements = append(c.results.Measurements, m)
			_, _ = fmt.Fprintf(c.progress, "round %d/%d  %-16s %-16s %s\n", round, c.rounds, w.Name, x.name, m.Line(w.Kind))
		}
	}
	return nil
}

// capacity returns how many messages a second the first contestant echoes on the connections of w: as measured in this
// round already, or measured now.
func (c *comparison) capacity(ctx context.Context, round int, w result.Workload) (float64, error) {
	first := &c.contestants[0]
	like := echo(w.Size, w.Conns)
	for i := range c.results.Measurements {
		if m := &c.results.Measurements[i]; m.Round == round && m.Contestant == first.name && m.Workload == like.Name {
			return result.Rate(m), nil
		}
	}
	m, err := c.measure(ctx, first, like, 0)
	return result.Rate(&m), err
}
