package remote_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sockgate/sockgate/gateway/remote"
)

// witness notes its calls, and echoes.
type witness struct {
	mu    sync.Mutex
	calls []string
}

func newWitness() *witness { return &witness{} }

func (w *witness) note(c *remote.Conn, call string, more ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, fmt.Sprint(append([]any{call, " ", c.ID()[len("a.1."):]}, more...)...))
}

func (w *witness) Open(c *remote.Conn) { w.note(c, "open") }

func (w *witness) Data(c *remote.Conn, p []byte) {
	w.note(c, "data", " ", string(p))
	_ = c.Send(p)
}

func (w *witness) End(c *remote.Conn) { w.note(c, "end") }

func (w *witness) Close(c *remote.Conn, reason remote.CloseReason) {
	w.note(c, "close", " ", reason, " ", c.CloseText(), " ", c.Unsent())
}

func (w *witness) Moved(c *remote.Conn) { w.note(c, "moved") }

func (w *witness) Idle(c *remote.Conn) {
	w.note(c, "idle")
	_ = c.Send([]byte("ping"))
}

func (w *witness) Drained(c *remote.Conn) { w.note(c, "drained", " ", c.Unwritten()) }

func (w *witness) Shutdown(c *remote.Conn, within time.Duration) {
	w.note(c, "shutdown", " ", within)
	_ = c.Send([]byte("bye"))
}

// mustBe checks the calls since the last mustBe, when everything in the bubble rests.
func (w *witness) mustBe(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.calls, want) {
		t.Errorf("the calls are %q, expected %q", w.calls, want)
	}
	w.calls = nil
}
