// Command compare measures the gateway beside other echo servers: hand-written C on epoll, gnet, nbio, plain net, and
// Node.js. It builds them, runs each on cores of its own, in rounds and in turn, and prints medians and ratios.
//
// With the argument flood it measures how a flood of TLS handshakes that never end disturbs established connections.
// With the argument fleet it measures the cost of a fleet of gateways beside a gateway that runs alone.
//
// It runs on Linux only. gateway/docs/performance.md describes the measurements. Run it in this folder:
//
//	go run .
//	go run . flood
//	go run . fleet
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) > 1 && args[0] == proc.PinCommand {
		cores, err := proc.ParseCores(args[1])
		if err != nil {
			return err
		}
		return proc.Exec(cores, args[2:])
	}
	if len(args) > 1 && args[0] == attackCommand {
		return attack(args[1], os.Stdin, os.Stdout)
	}
	measure, err := parse(args)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = measure(ctx, os.Stdout, os.Stderr)
	if ctx.Err() != nil {
		return errors.New("interrupted; the servers have been ended")
	}
	return err
}

// parse returns the measurement that the arguments ask for.
func parse(args []string) (func(ctx context.Context, stdout, progress io.Writer) error, error) {
	if len(args) > 0 && args[0] == floodCommand {
		f, err := parseFlood(args[1:], os.Stderr)
		return f.measure, err
	}
	if len(args) > 0 && args[0] == fleetCommand {
		f, err := parseFleet(args[1:], os.Stderr)
		return f.measure, err
	}
	s, err := parseSettings(args, os.Stderr)
	if err == nil && s.from != "" {
		return s.showAgain, nil
	}
	return s.compare, err
}
