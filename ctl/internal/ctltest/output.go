// Package ctltest is shared by the tests of ctl's packages: an output to wait on, and servers to connect to.
package ctltest

import (
	"bytes"
	"regexp"
	"sync"
	"testing"
	"time"
)

// awaitLimit bounds how long a test waits for an output that does not come.
const awaitLimit = 20 * time.Second

// Output is an output that a test can wait on. It is safe for concurrent use.
type Output struct {
	mu      sync.Mutex
	changed *sync.Cond
	buf     bytes.Buffer
	fail    error
}

// NewOutput returns an empty output.
func NewOutput() *Output {
	o := &Output{}
	o.changed = sync.NewCond(&o.mu)
	return o
}

// FailWith makes every later write fail with err.
func (o *Output) FailWith(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fail = err
}

// Write appends p and wakes the tests that wait.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	defer o.changed.Broadcast()
	if o.fail != nil {
		return 0, o.fail
	}
	return o.buf.Write(p)
}

// String returns everything that was written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Await waits until the output contains text; after 20 s the test has failed.
func (o *Output) Await(t testing.TB, text string) {
	t.Helper()
	o.AwaitMatch(t, regexp.MustCompile(regexp.QuoteMeta(text)))
}

// AwaitMatch waits until the output matches pattern; after 20 s the test has failed.
func (o *Output) AwaitMatch(t testing.TB, pattern *regexp.Regexp) {
	t.Helper()
	late := false
	timer := time.AfterFunc(awaitLimit, func() {
		o.mu.Lock()
		late = true
		o.mu.Unlock()
		o.changed.Broadcast()
	})
	defer timer.Stop()
	o.mu.Lock()
	defer o.mu.Unlock()
	for !pattern.MatchString(o.buf.String()) {
		if late {
			t.Errorf("no %q in:\n%s", pattern, o.buf.String())
			return
		}
		o.changed.Wait()
	}
}
