package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/sockgate/sockgate/gateway/compare/internal/load"
	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
)

// attackCommand is the first argument that makes this program the attackers of a flood. A process of their own gives
// them descriptors of their own, and yields to the load, whose clients are measured. The second argument is a
// load.FloodConfig as JSON. The process reads orders, one a line, answers each with a load.FloodState as JSON, and ends
// with its input.
const attackCommand = "attack"

// The orders. The answer to an order does not wait until the order is carried out.
const (
	hold    = "hold"    // connect all attackers, and again those that the server cuts
	release = "release" // end all connections
	count   = "count"   // change nothing
)

// attack runs the attackers' process.
func attack(config string, stdin io.Reader, stdout io.Writer) error {
	var c load.FloodConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return fmt.Errorf("%s %s: %w", attackCommand, config, err)
	}
	if err := proc.GiveWay(); err != nil {
		return err
	}
	f, err := load.NewFlood(c)
	if err != nil {
		return err
	}
	defer f.Close()
	orders := make(chan string)
	go readOrders(bufio.NewScanner(stdin), orders)
	answers := json.NewEncoder(stdout)
	for {
		select {
		case order, ok := <-orders:
			if !ok {
				return nil
			}
			if err := obey(f, order, answers); err != nil {
				return err
			}
		default:
		}
		if err := f.Step(); err != nil {
			return err
		}
	}
}

// readOrders passes orders on. It ends with its input or with the process.
func readOrders(lines *bufio.Scanner, orders chan<- string) {
	defer close(orders)
	for lines.Scan() {
		orders <- lines.Text()
	}
}

// obey follows one order.
func obey(f *load.Flood, order string, answers *json.Encoder) error {
	switch order {
	case hold:
		f.Hold()
	case release:
		f.Release()
	case count:
	default:
		return fmt.Errorf("order %q: expected %s, %s or %s", order, hold, release, count)
	}
	return answers.Encode(f.State())
}

// attackers are the process of a flood, as its parent sees it. One goroutine at a time may use them.
type attackers struct {
	config  load.FloodConfig
	command *exec.Cmd
	orders  io.WriteCloser
	answers *json.Decoder
	said    bytes.Buffer // standard error; to be read when the process has ended
}

// startAttackers starts attackers on the cores of this process. They end with stop, with ctx, and with this process.
func startAttackers(ctx context.Context, c load.FloodConfig) (*attackers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	a := &attackers{config: c, command: exec.CommandContext(ctx, self, attackCommand, string(config))}
	// It stays in the session of this process, because the scheduler heeds nice values only within a session. Its own
	// process group keeps Ctrl-C for this process only.
	a.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	a.command.Stderr = &a.said
	if a.orders, err = a.command.StdinPipe(); err != nil {
		return nil, err
	}
	answers, err := a.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.answers = json.NewDecoder(answers)
	return a, a.command.Start()
}

// order gives an order and returns the answer.
func (a *attackers) order(order string) (state load.FloodState, err error) {
	if _, err = fmt.Fprintln(a.orders, order); err == nil {
		err = a.answers.Decode(&state)
	}
	if err != nil {
		return load.FloodState{}, fmt.Errorf("the attackers: %w", err)
	}
	return state, nil
}

// hold begins the flood and returns when it is up: all attackers are connected, and the server has been under the flood
// for timeout, which is how long it lets attackers wait. A server that turns attackers away never has all of them:
// after another timeout it is measured with those that are connected.
func (a *attackers) hold(ctx context.Context, timeout time.Duration) (state load.FloodState, err error) {
	begin := time.Now()
	state, err = a.order(hold)
	for err == nil {
		up := time.Since(begin)
		if full := state.Held == a.config.Attackers(); full && up >= timeout || up >= 2*timeout {
			return state, nil
		}
		select {
		case <-ctx.Done():
			return state, context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
		state, err = a.order(count)
	}
	return state, err
}

// pid returns the process's number.
func (a *attackers) pid() int { return a.command.Process.Pid }

// kill ends the process at once. The caller must still call stop.
func (a *attackers) kill() { _ = a.command.Process.Kill() }

// stop ends the process, waits for its end, and adds its standard error to an error.
func (a *attackers) stop(err error) error {
	_ = a.orders.Close()
	ended := a.command.Wait()
	if err == nil && ended == nil {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("the attackers: %w", ended)
	}
	if a.said.Len() > 0 {
		err = fmt.Errorf("%w; they said:\n%s", err, a.said.String())
	}
	return err
}
