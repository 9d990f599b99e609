package docs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/port"
	"github.com/sockgate/sockgate/gateway/e2e/internal/tree"
)

// patience is how long a command of a document may take.
const patience = time.Minute

// shell runs a document's commands in one bash, at the root of the repository. The documented ports are replaced by
// free ones, and the documented bin by a directory of the shell's own.
type shell struct {
	stdin io.Writer
	done  *bufio.Scanner // one line from each finished command
	dir   string
	bin   string            // stands for the documents' bin
	ports map[string]string // documented port → real port
	count int
}

func startShell(t *testing.T) *shell {
	t.Helper()
	s := &shell{dir: t.TempDir(), bin: t.TempDir(), ports: port.Free(t, "8017", "8018", "8107", "9000", "6222", "4222")}
	linkBuilt(t, s.bin)
	ctx, cancel := context.WithCancel(context.Background())
	bash := exec.CommandContext(ctx, "bash", "--noprofile", "--norc")
	bash.Dir = tree.Path(t, ".")
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	bash.Cancel = func() error { return syscall.Kill(-bash.Process.Pid, syscall.SIGKILL) }
	bash.Env = append(os.Environ(), "SOCKGATE_CONTROL=127.0.0.1:"+s.ports["8018"],
		"SOCKGATE_GATEWAY=127.0.0.1:"+s.ports["8018"], "NO_COLOR=1", "TMP="+s.dir, "TMPDIR="+s.dir,
		"XDG_CONFIG_HOME="+s.dir)
	stdin, err1 := bash.StdinPipe()
	stdout, err2 := bash.StdoutPipe()
	if err := errors.Join(err1, err2, bash.Start()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = bash.Wait() // it was killed, with everything that it started
	})
	s.stdin, s.done = stdin, bufio.NewScanner(stdout)
	return s
}

// run runs one command and compares its output. For a background command it waits until the output is as shown.
func (s *shell) run(step *step) error {
	s.count++
	out := filepath.Join(s.dir, fmt.Sprintf("out.%d", s.count))
	command := s.moved(step.command)
	if step.background() {
		command = fmt.Sprintf("{ %s } >%s 2>&1 </dev/null &", strings.TrimSuffix(command, "&")+";", out)
	} else {
		command = fmt.Sprintf("{ %s\n} >%s 2>&1 </dev/null", command, out)
	}
	if _, err := fmt.Fprintf(s.stdin, "%s\necho done\n", command); err != nil {
		return err
	}
	finished := make(chan bool, 1)
	go func() { finished <- s.done.Scan() }()
	select {
	case ok := <-finished:
		if !ok {
			return errors.New("the shell ended")
		}
	case <-time.After(patience):
		return fmt.Errorf("did not end within %s", patience)
	}
	return s.settle(step, out)
}

// binHere matches bin where a command names it from the root of the repository.
var binHere = regexp.MustCompile(`(^|[ >])bin/|\$PWD/bin\b`)

// moved returns a command with the ports and the bin of this shell.
func (s *shell) moved(command string) string {
	for documented, real := range s.ports {
		command = strings.ReplaceAll(command, ":"+documented, ":"+real)
	}
	return binHere.ReplaceAllStringFunc(command, func(found string) string {
		return strings.Replace(strings.TrimPrefix(found, "$PWD/"), "bin", s.bin, 1)
	})
}

// settle compares an output, and gives a background command time to print it.
func (s *shell) settle(step *step, out string) error {
	deadline := time.Now().Add(patience)
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		b, err := os.ReadFile(out)
		if err != nil && !step.background() { // a background command's file may not be there yet
			return err
		}
		err = step.compare(string(b), s.ports)
		if err == nil || !step.background() || time.Now().After(deadline) {
			return err
		}
	}
}

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}
