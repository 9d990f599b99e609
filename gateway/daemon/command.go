package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/cobra"
	"google.golang.org/grpc/grpclog"
)

// Exit codes, as promised in README.md and in the help.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const configFlag = "config"

// Process is the operating system's side of a process, so that tests can run the daemon in their own.
type Process struct {
	Args    []string // without the program's name
	Environ []string
	Stdout  io.Writer
	Stderr  io.Writer
	Signals <-chan os.Signal // the first begins a drain, the second ends the process at once
	Hangups <-chan os.Signal // each reloads certificates, client CAs and tokens; nil: there are none
	Root    string           // the folder with the machine's /proc and /sys; empty: /
}

// Main runs the gateway as this process and returns its exit code, as Run does. Call it once: it takes over the
// process's signals.
func Main() int {
	signals, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	signal.Notify(hangups, syscall.SIGHUP) // Windows has no such signal and never sends it
	signal.Ignore(syscall.SIGPIPE)         // a closed standard error must not end the gateway
	stderr := newLogWriter(os.Stderr)
	defer stderr.close()
	redirectLogs(stderr)
	return run(context.Background(), &Process{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: stderr,
		Signals: signals, Hangups: hangups})
}

// redirectLogs sends the lines of libraries that log by themselves through the gateway's writer: they may quote peers.
func redirectLogs(stderr io.Writer) {
	log.SetOutput(stderr)
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, stderr)) // errors only
}

// usageError is a mistake in flags or configuration.
type usageError struct{ error }

// Run runs the gateway and blocks until it has drained. The end of ctx begins a drain, as the first signal does. Run
// returns the exit code: 0 if the gateway ended well, 1 if it failed, 2 for bad usage or configuration. Errors go to
// p.Stderr. Run leaves no goroutine running, except after a second signal; the process must exit then. Several calls
// may run at once.
func Run(ctx context.Context, p Process) int {
	stderr := newLogWriter(p.Stderr)
	defer stderr.close()
	p.Stderr = stderr
	return run(ctx, &p)
}

// run runs the gateway for Run, with a standard error that never blocks.
func run(ctx context.Context, p *Process) int {
	command := newCommand(p)
	command.SetArgs(p.Args)
	command.SetOut(p.Stdout)
	command.SetErr(p.Stderr)
	err := command.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	fmt.Fprintf(p.Stderr, "gateway: %s\n", shortened(err.Error()))
	var usage usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(p.Stderr, "See gateway --help.")
		return exitUsage
	}
	return exitFailed
}

// maxError is the most bytes of an error on standard error. Errors quote settings, which can be long.
const maxError = 3 << 10

// shortened cuts a long text.
func shortened(text string) string {
	if len(text) <= maxError {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes more)", text[:maxError], len(text)-maxError)
}

func newCommand(p *Process) *cobra.Command {
	var s settings
	var file string
	command := &cobra.Command{
		Use:   "gateway",
		Short: "Hold long-lived connections, and let people and programs see and drive them",
		Long: `gateway holds long-lived TCP connections. Its gRPC control plane lists, sends to, kicks and follows them.

Each flag can also be set in the environment, as SOCKGATE_ and its name in capitals with _ for -
(SOCKGATE_IDLE_TIMEOUT), and in the YAML file given with --config, under its name. A flag goes before the environment,
the environment before the file.

Unless GOMEMLIMIT is set, Go's garbage collector works to keep the gateway's memory below 80 percent of the least limit
of its cgroups, or half of the machine's memory. The log says the limit.

SIGINT and SIGTERM drain: no new connection is accepted, and live ones have --drain-timeout to end by themselves. A
second signal ends the process at once. SIGHUP loads certificates, client CAs and tokens, and never ends the process.
The gateway also loads them when their files change. Exit codes: 0 ended well, 1 failed, 2 bad usage or configuration.`,
		Example: `  gateway
  gateway --listen :8017 --listen game=:9000 --idle-timeout 5m
  gateway --handler sink --greeting Hello --listen :8107
  gateway --tls-cert gateway.pem --tls-key gateway.key --listen :8017 --listen 'lan=10.0.0.5:9000 tls=off'`,
		Version:       version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unexpected argument %q: everything is set with flags", args[0])}
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return s.run(c, p, file) },
	}
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flagError(err)} })
	s.flags(command.Flags())
	command.Flags().StringVar(&file, configFlag, "", "YAML file with settings, one key for each flag")
	command.Flags().SortFlags = false
	return command
}

// run settles the configuration and runs the gateway.
func (s *settings) run(c *cobra.Command, p *Process, file string) error {
	if file == "" {
		file = configFromEnv(p.Environ)
	}
	unknown, err := load(c.Flags(), file, p.Environ)
	if err != nil {
		return usageError{err}
	}
	if s.stateDir == "" && !c.Flags().Changed("state-dir") {
		s.stateDir = stateFromSystemd(p.Environ)
	}
	if err := s.validate(); err != nil {
		return usageError{err}
	}
	log := newLogger(s, p.Stderr)
	warnOfUnknown(log, unknown)
	return runGateway(c.Context(), s, log, p)
}

// maxUnknown is the most variables that are named in the log, one a line.
const maxUnknown = 20

// warnOfUnknown logs the environment variables that name no flag.
func warnOfUnknown(log hclog.Logger, names []string) {
	for _, name := range names[:min(len(names), maxUnknown)] {
		log.Warn("environment variable is none of the gateway's and was ignored", "name", name)
	}
	if more := len(names) - maxUnknown; more > 0 {
		log.Warn("more environment variables are none of the gateway's and were ignored", "variables", more)
	}
}

func newLogger(s *settings, out io.Writer) hclog.Logger {
	options := hclog.LoggerOptions{Name: "gateway", Level: hclog.LevelFromString(s.logLevel), Output: out}
	if s.logFormat == "json" {
		options.JSONFormat = true
		return hclog.New(&options)
	}
	return textLogger{hclog.New(&options)}
}
