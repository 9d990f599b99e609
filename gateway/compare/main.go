// Command compare measures the gateway beside other servers: hand-written C on epoll, gnet, nbio, plain net, and Node.js, all
// echoing. It builds them, runs each on cores of its own, in rounds and in turn, and prints medians and ratios.
// Linux only. gateway/docs/performance.md says what is measured and how. Run it in this folder:
//
//	go run .
package main

import (
	"context"
	"errors"
	"fmt"
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
	s, err := parseSettings(args, os.Stderr)
	if err != nil {
		return err
	}
	if s.from != "" {
		return s.showAgain(os.Stdout)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err = s.compare(ctx, os.Stdout, os.Stderr)
	if ctx.Err() != nil {
		return errors.New("interrupted; the servers have been ended")
	}
	return err
}
