// Package cli is the command line of sockgate: one file per command.
//
// Run is the whole program with its streams injected, and Main is Run over the real process. What a command prints as
// data goes to stdout in the form that -o names (print.go); what it has to say goes to stderr; what it ended with is an
// exit code from the one table in exit.go. access.go says how the control plane is reached, from flags,
// environment and contexts; client.go makes the gRPC connection, follow.go keeps an event stream alive.
package cli

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// Env is everything that a run takes from its process.
type Env struct {
	// Stdin is read for `-` payloads, for confirmations, and by dial.
	Stdin io.Reader
	// Stdout gets data only.
	Stdout io.Writer
	// Stderr gets messages only.
	Stderr io.Writer
	// StdinIsTerminal says that a person can be asked.
	StdinIsTerminal bool
	// StdoutIsTerminal says that colour may be used.
	StdoutIsTerminal bool
	// StderrIsTerminal says that progress may be shown on Stderr, and painted over.
	StderrIsTerminal bool
	// Getenv reads the environment; nil means an empty one.
	Getenv func(string) string
	// ConfigDir names the directory of the user's configuration; nil means that there is none.
	ConfigDir func() (string, error)
	// Now is the clock behind ages in tables, and its location the time zone of tables; nil means time.Now.
	Now func() time.Time

	// sleep waits between attempts; tests replace it.
	sleep func(context.Context, time.Duration) error
	// dial opens the sockets of bench; tests replace it, nil means the network's.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// readerGone says that nobody can read Stdout any more; nil means never.
	readerGone func() bool
}

// Main runs the process's own command line and returns its exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	// The first signal asks for an orderly end; from then on a second one ends the process as usual.
	defer context.AfterFunc(ctx, stop)()
	return Run(ctx, os.Args[1:], Env{
		Stdin:            os.Stdin,
		Stdout:           os.Stdout,
		Stderr:           os.Stderr,
		StdinIsTerminal:  term.IsTerminal(int(os.Stdin.Fd())),
		StdoutIsTerminal: term.IsTerminal(int(os.Stdout.Fd())),
		StderrIsTerminal: term.IsTerminal(int(os.Stderr.Fd())),
		Getenv:           os.Getenv,
		ConfigDir:        os.UserConfigDir,
		readerGone:       func() bool { return pipeBroken(int(os.Stdout.Fd())) },
	})
}

// Run runs one command line and returns its exit code. Cancelling ctx interrupts it as SIGINT does.
func Run(ctx context.Context, args []string, env Env) int {
	a := newApp(env)
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(env.Stdin)
	root.SetOut(a.stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !a.started {
		// Cobra found fault with the words before any command of ours ran.
		err = asUsage(err)
	}
	if flushErr := a.stdout.Flush(); err == nil && flushErr != nil {
		err = flushErr
	}
	a.report(err)
	return exitCode(err)
}

// app is one run: its environment, its global flags, and where its output goes.
type app struct {
	env     Env
	stdout  *bufio.Writer
	started bool // a command's own code has begun: later errors are not cobra's

	flags   *pflag.FlagSet // the global ones; access reads those of the connection
	timeout time.Duration
	output  string
	noColor bool
}

func newApp(env Env) *app {
	if env.Getenv == nil {
		env.Getenv = func(string) string { return "" }
	}
	if env.Now == nil {
		env.Now = time.Now
	}
	if env.sleep == nil {
		env.sleep = sleep
	}
	if env.readerGone == nil {
		env.readerGone = func() bool { return false }
	}
	return &app{env: env, stdout: bufio.NewWriterSize(env.Stdout, 32<<10)}
}

// sleep waits for d, or returns the context's error if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
