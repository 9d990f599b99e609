package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
)

// settings are the values of the flags.
type settings struct {
	rounds       int
	duration     time.Duration
	only         []string // contestants; empty: all
	workloads    []string // names, kinds, plain or tls; empty: all
	gatewayFlags []string // one more contestant for each
	binaries     []string // one more gateway for each
	out          string
	docs         string
	from         string
	quick        bool
	serverCores  proc.Cores
	loadCores    proc.Cores
}

// words is the value of a flag: words between commas.
type words []string

func (w *words) String() string { return strings.Join(*w, ",") }

func (w *words) Set(text string) error {
	*w = strings.Split(text, ",")
	return nil
}

// lines is the value of a flag that may be given several times: one line each.
type lines []string

func (l *lines) String() string { return strings.Join(*l, " ") }

func (l *lines) Set(text string) error {
	*l = append(*l, text)
	return nil
}

// parseSettings reads the flags of a comparison.
func parseSettings(args []string, stderr io.Writer) (*settings, error) {
	s := &settings{}
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Var((*words)(&s.workloads), "workloads",
		"`names`, kinds (echo, fixed, idle, churn, broadcast), plain or tls, between commas (default all)")
	f.StringVar(&s.docs, "docs", "", "`document` to write the tables into, between <!-- results --> and <!-- end -->")
	f.StringVar(&s.from, "from", "", "a results.json `file` to show again, instead of measuring")
	return s, s.parse(f, args)
}

// parse adds the flags that all measurements share to those of one, and reads them.
func (s *settings) parse(f *flag.FlagSet, args []string) error {
	var server, load string
	f.IntVar(&s.rounds, "rounds", 0,
		"how often everything is measured; medians need at least five (default 5; 1 with --quick)")
	f.DurationVar(&s.duration, "duration", 0,
		"of one measurement; processor time needs seconds (default 3s; 200ms with --quick)")
	f.Var((*words)(&s.only), "only", "`contestants`, between commas (default all)")
	f.Var((*lines)(&s.gatewayFlags), "gateway-flags",
		"`flags` of one more gateway, for example \"--engine net\"; may be given again")
	f.Var((*lines)(&s.binaries), "gateway-binary",
		"`path` of one more gateway, built before, for example of an earlier commit; may be given again")
	f.StringVar(&s.out, "out", "", "`folder` for the results and the plots (default none)")
	f.BoolVar(&s.quick, "quick", false, "few connections and little time: to see that everything works, not to compare")
	f.StringVar(&server, "server-cores", "", "`cores` for the servers, for example 0 or 0,2-3 (default the first one)")
	f.StringVar(&load, "load-cores", "", "`cores` for the load, which is one thread (default the last one)")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("argument %q: expected flags only; see --help", f.Arg(0))
	}
	s.defaults()
	if s.rounds < 1 || s.duration < 10*time.Millisecond {
		return fmt.Errorf("--rounds %d --duration %s: expected at least 1 and 10ms", s.rounds, s.duration)
	}
	return s.placeCores(server, load)
}

func (s *settings) defaults() {
	rounds, duration := 5, 3*time.Second
	if s.quick {
		rounds, duration = 1, 200*time.Millisecond
	}
	if s.rounds == 0 {
		s.rounds = rounds
	}
	if s.duration == 0 {
		s.duration = duration
	}
}

// placeCores puts the servers on the first core and the load on the last, unless flags say otherwise.
func (s *settings) placeCores(server, load string) error {
	available, err := proc.Available()
	if err != nil {
		return err
	}
	s.serverCores, s.loadCores = available[:1], available[len(available)-1:]
	var err1, err2 error
	if server != "" {
		s.serverCores, err1 = proc.ParseCores(server)
	}
	if load != "" {
		s.loadCores, err2 = proc.ParseCores(load)
	}
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for _, n := range slices.Concat(s.serverCores, s.loadCores) {
		if !slices.Contains(available, n) {
			return fmt.Errorf("core %d is none that this process may use; expected of %s", n, available)
		}
	}
	return nil
}

// warm returns how long a server works before it is measured: long enough for Node.js to compile its hot code.
func (s *settings) warm() time.Duration { return s.duration / 3 }
