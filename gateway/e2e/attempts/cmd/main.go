//go:build linux

// Command cmd attacks a gateway and measures it meanwhile: its clients' echoes, an administrator and other callers, its
// memory, its processor time and its log. It prints a table with a row for each attack, undisturbed → attacked. It runs
// on Linux only.
//
//	go build -o /tmp/gateway ./gateway
//	go run ./gateway/e2e/attempts/cmd --gateway-binary /tmp/gateway
//	go run ./gateway/e2e/attempts/cmd --gateway-binary /tmp/gateway --only incomplete,unread-list --seconds 5
//	go run ./gateway/e2e/attempts/cmd --gateway-binary /tmp/gateway --soak 10m
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/attack"
	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/siege"
	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/soak"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "attempts:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 2 && args[0] == attack.Command {
		return attack.Main(args[1], os.Stdin, os.Stdout)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if o.soak > 0 {
		return o.soakOne(ctx, os.Stdout)
	}
	return o.measure(ctx, os.Stdout)
}

// options are the values of the flags.
type options struct {
	settings siege.Settings
	only     []string
	most     bool
	soak     time.Duration
	stopAt   int64
}

func parse(args []string) (*options, error) {
	o := &options{settings: siege.Full("", "")}
	f := flag.NewFlagSet("attempts", flag.ContinueOnError)
	s := &o.settings
	f.StringVar(&s.Binary, "gateway-binary", "", "`path` of the gateway, which is built before")
	only := f.String("only", "", "`names` of attacks, or the beginnings of names, between commas (default all)")
	f.BoolVar(&o.most, "most", false, "only the most callers of each attack")
	f.Float64Var(&s.Seconds, "seconds", s.Seconds, "of one measurement")
	f.IntVar(&s.Rounds, "rounds", s.Rounds, "how often each attack is measured, undisturbed and attacked")
	f.IntVar(&s.Clients, "clients", s.Clients, "echo clients")
	f.Float64Var(&s.Rate, "rate", s.Rate, "messages a second of all clients")
	f.IntVar(&s.Streams, "streams", s.Streams, "calls on an attacker's connection")
	f.Int64Var(&o.stopAt, "stop-at", s.StopAt>>20, "MiB of the gateway's memory at which an attack is ended")
	f.DurationVar(&o.soak, "soak", 0, "how long to soak the gateway in everything at random, in place of the table")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	s.StopAt = o.stopAt << 20
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	if s.Binary == "" || f.NArg() > 0 {
		return nil, fmt.Errorf("expected --gateway-binary and other flags only; see --help")
	}
	var err error
	s.Binary, err = filepath.Abs(s.Binary)
	return o, err
}

// measure makes each attack with each number of callers, and prints a row for each.
func (o *options) measure(ctx context.Context, out io.Writer) error {
	_, _ = fmt.Fprint(out, siege.Header())
	for _, a := range attack.All() {
		if !o.wants(a.Name) {
			continue
		}
		counts := a.Counts
		if o.most {
			counts = []int{slices.Max(counts)}
		}
		for _, callers := range counts {
			row, err := o.row(ctx, &a, callers)
			if err != nil {
				return fmt.Errorf("%s by %d: %w", a.Name, callers, err)
			}
			_, _ = fmt.Fprint(out, row)
		}
	}
	return nil
}

// soakOne soaks one gateway.
func (o *options) soakOne(ctx context.Context, out io.Writer) error {
	dir, err := os.MkdirTemp("", "attempts-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := siege.Small(o.settings.Binary, dir)
	s.Descriptors = o.settings.Descriptors
	return soak.Run(ctx, &s, o.soak, out)
}

func (o *options) wants(name string) bool {
	return len(o.only) == 0 ||
		slices.ContainsFunc(o.only, func(begin string) bool { return strings.HasPrefix(name, begin) })
}

func (o *options) row(ctx context.Context, a *attack.Attack, callers int) (string, error) {
	dir, err := os.MkdirTemp("", "attempts-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	s := o.settings
	s.Dir = dir
	r, err := siege.Run(ctx, &s, a, callers)
	if r.Ended != nil {
		_, _ = fmt.Fprintf(os.Stderr, "%s by %d: %v\n", a.Name, callers, r.Ended)
	}
	for status, message := range firsts(&r) {
		_, _ = fmt.Fprintf(os.Stderr, "%s by %d: %s: %s\n", a.Name, callers, status, message)
	}
	return r.Row(), err
}

func firsts(r *siege.Result) map[string]string {
	if len(r.Attacked) == 0 {
		return nil
	}
	return r.Attacked[len(r.Attacked)-1].Attackers.First
}
