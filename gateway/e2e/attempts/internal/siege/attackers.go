//go:build linux

package siege

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/attack"
	"github.com/sockgate/sockgate/gateway/e2e/internal/token"
)

// attackers are the attackers' process, which is this program again, as its parent sees it.
type attackers struct {
	command *exec.Cmd
	orders  io.WriteCloser
	answers *json.Decoder
	said    bytes.Buffer // standard error; to be read when the process has ended
}

// startAttackers starts them with a scheduling policy, an option of chrt(1). They end with stop, with ctx, and with
// this process.
func startAttackers(ctx context.Context, t attack.Target, policy string) (*attackers, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	target, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	a := &attackers{command: exec.CommandContext(ctx, "chrt", policy, "0", self, attack.Command, string(target))}
	// It stays in this session, because the scheduler weighs processes only within a session.
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

// begun waits until the attackers have done anything, for at most 30 s.
func (a *attackers) begun(ctx context.Context) error {
	for end := time.Now().Add(3 * patience); sleepUntil(ctx, time.Now().Add(20*time.Millisecond)); {
		if r, err := a.report(); err != nil || len(r.Counts) > 0 {
			return err
		}
		if time.Now().After(end) {
			return errors.New("the attackers do nothing")
		}
	}
	return ctx.Err()
}

// report asks for the counts so far.
func (a *attackers) report() (r attack.Report, err error) {
	if _, err = fmt.Fprintln(a.orders); err == nil {
		err = a.answers.Decode(&r)
	}
	return r, wrap(err, "the attackers")
}

// cpu returns the attackers' processor time; 0 once they have ended.
func (a *attackers) cpu() time.Duration {
	used, _ := readCPU(a.command.Process.Pid)
	return used
}

// stop ends the attackers at once: the kernel closes their connections, and nobody says good-bye.
func (a *attackers) stop() error {
	_ = a.orders.Close()
	_ = a.command.Process.Kill()
	_ = a.command.Wait() // it was killed
	if a.said.Len() > 0 {
		return fmt.Errorf("the attackers said:\n%s", a.said.String())
	}
	return nil
}

// target is a gateway, as the callers of an attack see it.
func (s *Settings) target(g *Gateway, a *attack.Attack, callers int) attack.Target {
	t := attack.Target{Attack: a.Name, Control: g.Control, Data: g.Echo, TLS: g.TLS, Streams: s.Streams, Conns: s.Conns}
	role := "viewer"
	if a.Role == attack.Operator {
		role = "operator"
	}
	for i := range callers {
		name := fmt.Sprintf("%s-%d", role, i+1)
		if name == "operator-2" { // it must be served
			name = "operator-3"
		}
		t.Tokens = append(t.Tokens, token.Of(name))
	}
	return t
}

// policy returns the scheduling policy of attackers. Where times are measured, those that keep the gateway busy have
// only the processor time that nobody else wants, because the clients that are measured run beside them.
func (s *Settings) policy(a *attack.Attack) string {
	if a.Fills || !s.Yield {
		return "--other"
	}
	return "--idle"
}

// Attack attacks a gateway until the context ends, and returns the attackers' counts.
func (s *Settings) Attack(ctx context.Context, g *Gateway, a *attack.Attack, callers int) (attack.Report, error) {
	attackers, err := startAttackers(context.WithoutCancel(ctx), s.target(g, a, callers), s.policy(a))
	if err != nil {
		return attack.Report{}, err
	}
	<-ctx.Done()
	report, err := attackers.report()
	return report, errors.Join(err, attackers.stop())
}
