//go:build linux

package fleet

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// process is a running program. It ends with the test.
type process struct {
	t       testing.TB
	name    string
	command *exec.Cmd
	log     journal       // standard error
	ended   chan struct{} // closed when it has ended and its log is complete
}

// prepare says how to run a program in a network namespace; "" is the test's own.
func prepare(t testing.TB, name, namespace string, environ []string, path string, args ...string) *process {
	if namespace != "" {
		// ip executes it: the process becomes the program's
		path, args = "ip", append([]string{"netns", "exec", namespace, path}, args...)
	}
	p := &process{t: t, name: name, command: exec.Command(path, args...), ended: make(chan struct{})}
	p.command.Env = append(slices.DeleteFunc(os.Environ(),
		func(e string) bool { return strings.HasPrefix(e, "SOCKGATE_") }), environ...)
	p.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return p
}

// start runs the program. When the test fails, its standard error is printed.
func (p *process) start() {
	p.t.Helper()
	stderr, err := p.command.StderrPipe()
	check(p.t, err)
	check(p.t, p.command.Start())
	go func() {
		defer close(p.ended)
		p.log.read(bufio.NewReader(stderr))
		_ = p.command.Wait() // ProcessState has the result
	}()
	p.t.Cleanup(func() {
		_ = p.command.Process.Kill()
		<-p.ended
		if p.t.Failed() {
			p.t.Logf("%s (%s) said:\n%s", p.name, p.command.ProcessState, p.log.text())
		}
	})
}

// signal sends a signal to this process and no other.
func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	check(p.t, p.command.Process.Signal(s))
}

// stop stops the process until it gets SIGCONT, and returns when all of its threads stand still.
func (p *process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	await(p.t, p.name+" stands still", func() (bool, string) {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.command.Process.Pid))
		check(p.t, err)
		for _, path := range threads {
			stat, err := os.ReadFile(path)
			check(p.t, err)
			if _, state, ok := strings.Cut(string(stat), ") "); !ok || state[0] != 'T' {
				return false, string(stat)
			}
		}
		return len(threads) > 0, ""
	})
}

// kill ends the process at once and waits for the end.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.ended
}

// running reports whether it has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// exit waits for the end and returns the exit code.
func (p *process) exit() int {
	p.t.Helper()
	await(p.t, "the end of "+p.name, func() (bool, string) { return !p.running(), "it runs" })
	return p.command.ProcessState.ExitCode()
}

// resident returns the process's memory in RAM, in bytes, without the kernel's socket buffers.
func (p *process) resident() int64 {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.command.Process.Pid))
	check(p.t, err)
	var kib int64
	_, after, ok := strings.Cut(string(b), "\nRssAnon:")
	if _, err := fmt.Sscan(after, &kib); !ok || err != nil {
		p.t.Fatalf("%s has no RssAnon: %v\n%s", p.name, err, b)
	}
	return kib << 10
}

// keptLines is how many lines of a log are kept at most. Tests read the beginning of a log while it is short.
const keptLines = 5000

// journal is a log that tests read while a process writes it.
type journal struct {
	mu      sync.Mutex
	lines   []string
	dropped int
}

func (j *journal) read(r *bufio.Reader) {
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			j.add(line)
		}
		if err != nil {
			return
		}
	}
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.lines) == keptLines {
		j.lines = slices.Delete(j.lines, 0, keptLines/2)
		j.dropped += keptLines / 2
	}
	j.lines = append(j.lines, line)
}

func (j *journal) text() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	head := ""
	if j.dropped > 0 {
		head = fmt.Sprintf("(%d lines before)\n", j.dropped)
	}
	return head + strings.Join(j.lines, "")
}

// field returns a field of the first JSON line with a message; "" until there is one.
func (j *journal) field(message, name string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, line := range j.lines {
		var entry map[string]any
		if json.Unmarshal([]byte(line), &entry) == nil && entry["@message"] == message {
			return fmt.Sprint(entry[name])
		}
	}
	return ""
}
