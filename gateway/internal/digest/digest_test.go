package digest

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
)

// TestDigest checks that the first thing has its line at once, that a flood has one line a second for each key with the
// number of things, and that nothing is left out at the end.
func TestDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var mu sync.Mutex // of out, which the logger holds while it writes
		l := New(hclog.New(&hclog.LoggerOptions{Output: &out, Mutex: &mu, DisableTime: true}))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); l.Report(ctx) }()
		expect := func(lines ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if got := strings.TrimSpace(out.String()); got != strings.Join(lines, "\n") {
				t.Errorf("got\n%s\nexpected\n%s", got, strings.Join(lines, "\n"))
			}
			out.Reset()
		}
		l.Note(hclog.Warn, "refused", "a", "who", 1)
		expect("[WARN]  refused: calls=1 who=1")
		for i := range 1000 {
			l.Note(hclog.Warn, "refused", "a", "who", i)
			l.Note(hclog.Error, "failed", "b", "who", i)
		}
		expect("")
		time.Sleep(time.Second)
		expect("[WARN]  refused: calls=1000 who=999", "[ERROR] failed: calls=1000 who=999")
		for i := range 2 * maxKeys {
			l.Note(hclog.Warn, "refused", fmt.Sprint(i))
		}
		cancel()
		<-done
		if lines := strings.Count(out.String(), "\n"); lines != maxKeys+1 {
			t.Errorf("%d lines for %d keys; expected %d", lines, 2*maxKeys, maxKeys+1)
		}
	})
}
