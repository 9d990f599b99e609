package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
	"github.com/sockgate/sockgate/gateway/compare/internal/selfsigned"
)

// contestant is one server of the comparison.
type contestant struct {
	name    string
	build   []string // command that builds it; nil: it needs no build
	dir     string   // the folder that build runs in
	version []string // command whose first line of output is its version
	module  string   // or the Go module that has its version
	command []string
	tls     tlsArguments // nil: it takes no part in TLS workloads
	stderr  bool         // whether it tells its addresses in its log, on standard error
	expect  map[string]*regexp.Regexp
	trigger func(*proc.Server) (broadcaster, error) // makes a client that lets it broadcast; nil: it cannot
}

// tlsArguments returns the arguments that make a command speak TLS, to go after its others. timeout bounds a handshake;
// 0 leaves the bound to the server.
type tlsArguments func(pair *selfsigned.Pair, timeout time.Duration) []string

// data and control name the addresses of a server.
const data, control = "data", "control"

var (
	listening        = map[string]*regexp.Regexp{data: regexp.MustCompile(`^listening (\S+)$`)}
	listeningControl = map[string]*regexp.Regexp{data: listening[data], control: regexp.MustCompile(`^control (\S+)$`)}
	logged           = map[string]*regexp.Regexp{
		data:    regexp.MustCompile(` listening: listener=\S+ address=(\S+)`),
		control: regexp.MustCompile(` control plane listening: address=(\S+)`),
	}
)

const anyPort = "127.0.0.1:0"

// allContestants returns every contestant, to be built into dir. The others are compared with the first one, which also
// sets the fixed rate.
func (s *settings) allContestants(dir string) []contestant {
	threads := strconv.Itoa(len(s.serverCores))
	program := filepath.Join(dir, "c")
	c := contestant{name: "c", build: []string{"cc", "-O2", "-pthread", "-o", program, "peers/c/echo.c"},
		expect: listening, version: []string{"cc", "--version"}, command: []string{program, "127.0.0.1", "0", threads}}
	if len(s.serverCores) == 1 { // it broadcasts with one thread only
		c.command, c.expect, c.trigger = append(c.command, "0"), listeningControl, newControlSocket
	}
	all := []contestant{c, gateway("gateway", dir)}
	for _, flags := range s.gatewayFlags {
		all = append(all, gateway("gateway ("+short(flags)+")", dir, strings.Fields(flags)...))
	}
	for _, path := range s.binaries {
		all = append(all, built(path))
	}
	return append(all,
		goPeer("gnet", dir, "github.com/panjf2000/gnet/v2"),
		goPeer("nbio", dir, "github.com/lesismal/nbio"),
		netPeer(dir),
		contestant{name: "node", version: []string{"node", "--version"},
			command: []string{"node", "peers/node/echo.js", anyPort}, expect: listening})
}

// gateway returns the daemon as operators run it, with registry, counters and events.
func gateway(name, dir string, flags ...string) contestant {
	program := filepath.Join(dir, "gateway")
	command := append([]string{program, "--node", "compare", "--listen", anyPort, "--control", anyPort}, flags...)
	return contestant{name: name, build: []string{"go", "build", "-o", program, "./gateway"}, dir: "../..",
		command: command, version: []string{"git", "describe", "--always", "--dirty"}, tls: gatewayTLS, stderr: true,
		expect: logged, trigger: newBroadcaster}
}

// built returns a gateway that was built before, named after its path.
func built(path string) contestant {
	c := gateway("gateway ("+path+")", filepath.Dir(path))
	c.build, c.command[0], c.version = nil, path, []string{path, "--version"}
	return c
}

// gatewayTLS is the gateway's tlsArguments.
func gatewayTLS(pair *selfsigned.Pair, timeout time.Duration) []string {
	arguments := []string{"--tls-cert", pair.CertFile, "--tls-key", pair.KeyFile}
	if timeout > 0 {
		arguments = append(arguments, "--handshake-timeout", timeout.String())
	}
	return arguments
}

func goPeer(name, dir, module string) contestant {
	program := filepath.Join(dir, name)
	c := contestant{name: name, build: []string{"go", "build", "-o", program, "./peers/" + name}, module: module,
		expect: listening, command: []string{program, anyPort}}
	if module == "" {
		c.version = []string{"go", "version"}
	}
	return c
}

// netPeer returns the one peer that speaks TLS too: with crypto/tls, as the gateway does. Its version is Go's.
func netPeer(dir string) contestant {
	c := goPeer("net", dir, "")
	c.tls = netTLS
	return c
}

// netTLS is the net peer's tlsArguments.
func netTLS(pair *selfsigned.Pair, timeout time.Duration) []string {
	arguments := []string{pair.CertFile, pair.KeyFile}
	if timeout > 0 {
		arguments = append(arguments, timeout.String())
	}
	return arguments
}

// short names a gateway after its flags: after their values, or after the flags themselves when none has a value.
func short(flags string) string {
	var values, names []string
	for _, word := range strings.Fields(flags) {
		name, value, ok := strings.Cut(strings.TrimLeft(word, "-"), "=")
		switch {
		case !strings.HasPrefix(word, "-"):
			values = append(values, word)
		case ok:
			values = append(values, value)
		default:
			names = append(names, name)
		}
	}
	if len(values) == 0 {
		values = names
	}
	return strings.Join(values, " ")
}

// errMissing is the error of a contestant whose compiler or interpreter is not installed.
var errMissing = errors.New("is not installed here")

// prepare builds a contestant and returns its version.
func (c *contestant) prepare(ctx context.Context) (version string, err error) {
	for _, command := range [][]string{c.build, c.command} {
		if len(command) > 0 && !filepath.IsAbs(command[0]) {
			if _, err := exec.LookPath(command[0]); err != nil {
				return "", fmt.Errorf("%s: %s %w", c.name, command[0], errMissing)
			}
		}
	}
	if len(c.build) > 0 {
		build := exec.CommandContext(ctx, c.build[0], c.build[1:]...)
		build.Dir = c.dir
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: building it with %v failed: %w\n%s", c.name, c.build, err, out)
		}
	}
	show := c.version
	if c.module != "" {
		show = []string{"go", "list", "-m", "-f", "{{.Version}}", c.module}
	}
	out, err := exec.CommandContext(ctx, show[0], show[1:]...).Output()
	if err != nil {
		return "unknown", ctx.Err() // a checkout without git, for example
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first, nil
}

// takesPart reports whether a contestant can do a workload.
func (c *contestant) takesPart(w result.Workload) bool {
	return (c.tls != nil || !w.TLS) && (c.trigger != nil || w.Kind != result.Broadcast)
}

// spec returns how to start a contestant.
func (c *contestant) spec() proc.Spec {
	return proc.Spec{Name: c.name, Command: c.command, Stderr: c.stderr, Expect: c.expect}
}

// tlsSpec returns how to start a contestant so that it speaks TLS.
func (c *contestant) tlsSpec(pair *selfsigned.Pair, timeout time.Duration) proc.Spec {
	spec := c.spec()
	spec.Command = slices.Concat(c.command, c.tls(pair, timeout))
	return spec
}

// chooseContestants returns the contestants that --only names, in their usual order.
func (s *settings) chooseContestants(dir string) ([]contestant, error) {
	all := s.allContestants(dir)
	if len(s.only) == 0 {
		return all, nil
	}
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	for _, name := range s.only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("--only %s: there is no contestant %q; expected of %s", strings.Join(s.only, ","), name,
				strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(all, func(c contestant) bool { return !slices.Contains(s.only, c.name) }), nil
}
