package proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"time"
)

// startTimeout is how long a server may take to print its addresses.
const startTimeout = 20 * time.Second

// Spec says how to start a server and how to read its addresses.
type Spec struct {
	Name    string                    // the contestant's name, for errors
	Command []string                  // program and arguments
	Env     []string                  // NAME=value, in place of this process's variables of those names
	Stderr  bool                      // whether the addresses come on standard error, in a log
	Expect  map[string]*regexp.Regexp // the lines that it prints: each has one group, an address
}

// Server is a running server.
type Server struct {
	name      string
	command   *exec.Cmd
	addresses map[string]netip.AddrPort
	ended     chan error // closed after its one value
	said      *tail
}

// Start runs a server on its cores and waits until it has printed all addresses. Stop ends it, and so does the end of
// ctx or of this process, also a crash.
func Start(ctx context.Context, spec Spec, cores Cores) (*Server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &Server{name: spec.Name, addresses: make(map[string]netip.AddrPort), ended: make(chan error, 1), said: new(tail)}
	s.command = exec.CommandContext(ctx, self, append([]string{PinCommand, cores.String()}, spec.Command...)...)
	s.command.Env = append(os.Environ(), spec.Env...)
	// A session of its own keeps Ctrl-C for this process only. The scheduler groups by session, so the load's share of
	// a core is not set against the server's either.
	s.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	s.command.WaitDelay = time.Second
	var pipe interface{ Read([]byte) (int, error) }
	if spec.Stderr {
		pipe, err = s.command.StderrPipe()
	} else {
		s.command.Stderr = s.said
		pipe, err = s.command.StdoutPipe()
	}
	if err == nil {
		err = s.command.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: starting %v: %w", spec.Name, spec.Command, err)
	}
	told := make(chan map[string]netip.AddrPort, 1)
	go s.read(bufio.NewScanner(pipe), spec.Expect, told)
	select {
	case s.addresses = <-told:
		return s, nil
	case err = <-s.ended:
		return nil, fmt.Errorf("%s: %v ended before it listened: %w%s", spec.Name, spec.Command, err, s.said.quote())
	case <-time.After(startTimeout):
		err = fmt.Errorf("%s: %v does not say where it listens; expected %v within %s%s", spec.Name, spec.Command,
			spec.Expect, startTimeout, s.said.quote())
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.Stop()
	return nil, err
}

// PinCommand is the first argument that makes this program replace itself by another: PinCommand CORES PROGRAM
// ARGUMENT…
const PinCommand = "run-on-cores"

// read follows the server's output to its end, and then waits for the server to end.
func (s *Server) read(lines *bufio.Scanner, expect map[string]*regexp.Regexp, told chan<- map[string]netip.AddrPort) {
	found := make(map[string]netip.AddrPort)
	for lines.Scan() {
		_, _ = fmt.Fprintln(s.said, lines.Text())
		if len(found) == len(expect) {
			continue
		}
		for name, pattern := range expect {
			m := pattern.FindStringSubmatch(lines.Text())
			if m == nil {
				continue
			}
			if a, err := netip.ParseAddrPort(m[1]); err == nil {
				found[name] = a
			}
		}
		if len(found) == len(expect) {
			told <- found
		}
	}
	err := s.command.Wait()
	if err == nil {
		err = errors.New("exit status 0")
	}
	s.ended <- err
	close(s.ended)
}

// Address returns the server's address of a name in Spec.Expect.
func (s *Server) Address(name string) netip.AddrPort { return s.addresses[name] }

// PID returns the process's number.
func (s *Server) PID() int { return s.command.Process.Pid }

// Err returns an error with the server's last output when the server has ended without Stop; nil while it runs.
func (s *Server) Err() error {
	select {
	case err, first := <-s.ended:
		if !first {
			err = errors.New("it had ended before")
		}
		return fmt.Errorf("%s: the server ended: %w%s", s.name, err, s.said.quote())
	default:
		return nil
	}
}

// Stop kills the server, which has no state to lose, and waits for its end.
func (s *Server) Stop() {
	_ = s.command.Process.Kill()
	for range s.ended {
	}
}
