// Package program builds and runs programs for tests of their outside.
package program

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Run runs a program in a directory, for at most 2 minutes, and returns its standard output.
func Run(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = dir
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.Bytes())
	}
	return string(out)
}

// Require skips the test where a program is missing, or fails it when the environment has the variable, as in CI.
func Require(t testing.TB, variable string, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv(variable) != "" {
			t.Fatalf("%s is missing, and %s is set", name, variable)
		}
		t.Skipf("%s is missing: install it to run this test", name)
	}
}
