package app

import (
	"bufio"
	"context"
	"errors"
	"strings"
)

// errDeclined ends a command whose question was not answered with yes.
var errDeclined = &ExitError{Code: ExitFailed, Err: errors.New("not confirmed; nothing was done")}

// Confirm asks before something that cannot be undone. Without a terminal it cannot ask, and yes is required.
func (a *App) Confirm(ctx context.Context, yes bool, question string) error {
	if yes {
		return nil
	}
	if !a.Env.StdinIsTerminal {
		return NeedYes()
	}
	_ = a.Stderr.Prompt(question + " [y/N] ")
	answer := make(chan string, 1)
	// A terminal cannot be read with a deadline: on an interrupt the read is left behind and ends with the process.
	go func() {
		line, _ := bufio.NewReader(a.Env.Stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case line := <-answer:
		if line == "y" || line == "yes" {
			return nil
		}
		return errDeclined
	case <-ctx.Done():
		_ = a.Stderr.Line("")
		return errDeclined
	}
}

// NeedYes is the error of a command that cannot ask and was not given --yes.
func NeedYes() error {
	return Usagef("stdin is not a terminal, so nobody can be asked to confirm; pass --yes to go ahead")
}
