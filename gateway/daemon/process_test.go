package daemon_test

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// build makes the binary once in a test run. It copies the binary that `go run` would run, because the build cache
// keeps that one: `go build` would link again.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(binaries, "gateway")
	out, err := exec.Command("go", "run", "-exec", "cp", "github.com/sockgate/sockgate/gateway", path).CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

// process is a gateway in a process of its own.
type process struct {
	*instance
	log     *journal // everything after the line about the control plane
	command *exec.Cmd
	logged  sync.WaitGroup
}

// spawn runs the built binary. If limit is not empty, it is a shell command that runs first.
func spawn(t testing.TB, limit string, flags ...string) *process {
	t.Helper()
	path, err := build()
	check(t, err)
	args := append(append([]string(nil), loopback...), flags...)
	command := exec.Command(path, args...)
	if limit != "" {
		command = exec.Command("sh", append([]string{"-c", limit + ` && exec "$0" "$@"`, path}, args...)...)
	}
	command.Env = withoutSettings(os.Environ())
	stderr, err := command.StderrPipe()
	check(t, err)
	check(t, command.Start())
	p := &process{log: new(journal), command: command}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		p.logged.Wait()
		_ = command.Wait() // whatever its error
	})
	p.instance = started(t, stderr)
	p.logged.Go(func() { _, _ = io.Copy(p.log, p.rest) })
	return p
}

func withoutSettings(environ []string) []string {
	var rest []string
	for _, e := range environ {
		if !strings.HasPrefix(e, "SOCKGATE_") {
			rest = append(rest, e)
		}
	}
	return rest
}

func (p *process) signal(s os.Signal) {
	p.t.Helper()
	check(p.t, p.command.Process.Signal(s))
}

// exit waits for the end and returns the exit code, or -1 after a signal that the gateway does not handle.
func (p *process) exit() int {
	p.t.Helper()
	p.logged.Wait()
	var failed *exec.ExitError
	if err := p.command.Wait(); err != nil && !errors.As(err, &failed) {
		p.t.Fatal(err)
	}
	return p.command.ProcessState.ExitCode()
}
