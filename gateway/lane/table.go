package lane

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// Table has the remote handlers of one server. Its methods may be called from any goroutine, except where they say
// otherwise.
type Table struct {
	server   *server.Server // nil until Start
	handlers map[string]*Handler
	began    time.Time
	now      atomic.Int64 // coarse time: nanoseconds since began, at the last tick
	lanes    atomic.Uint64

	window  atomic.Int64 // of connections without a lane; the limits of the last tick
	budget  atomic.Int64
	bytes   atomic.Int64  // cost of all backlogs
	scarce  atomic.Bool   // the budget is scarce: nobody is read from
	walking sync.Mutex    // held by throttle, around all other locks
	changed chan struct{} // capacity 1: the budget is scarce no more
	turns   chan struct{} // capacity 1: the turn of a quarantine is free
	held    atomic.Int64  // connections that wait for a lane

	draining atomic.Bool // the gateway drains, and the lanes were told
	stop     chan struct{}
	// frozenAfter and stalledAfter are shorter in tests.
	frozenAfter, stalledAfter time.Duration
	running                   sync.WaitGroup
}

// NewTable returns a table without handlers.
func NewTable() *Table {
	t := &Table{handlers: make(map[string]*Handler), began: time.Now(), changed: make(chan struct{}, 1),
		turns: make(chan struct{}, 1), stop: make(chan struct{}), frozenAfter: frozenAfter, stalledAfter: stalledAfter}
	return t
}

// ValidName reports whether a handler can have this name: [a-z0-9-]{1,32}.
func ValidName(name string) bool { return event.ValidNode(name) }

// Handler returns the handler of a name, for listeners; the same at each call. It panics when the name is not valid.
// Call it before Start, from one goroutine.
func (t *Table) Handler(name string) *Handler {
	if !ValidName(name) {
		panic(fmt.Sprintf("remote handler %q: expected 1 to %d of a-z, 0-9 and -", name, MaxHandler))
	}
	h := t.handlers[name]
	if h == nil {
		h = &Handler{table: t, name: name}
		t.handlers[name] = h
	}
	return h
}

// Names returns the names of the handlers, sorted.
func (t *Table) Names() []string {
	names := make([]string, 0, len(t.handlers))
	for name := range t.handlers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Start begins to serve the connections of a server, before its Serve. Stop ends what Start began.
func (t *Table) Start(s *server.Server) {
	t.server = s
	t.useLimits()
	if len(t.handlers) > 0 {
		t.running.Go(t.run)
	}
}

// Stop ends every lane and waits for what Start began. Call it when the server has ended: connections that have no lane
// any more are held otherwise. A second Stop does nothing.
func (t *Table) Stop() {
	select {
	case <-t.stop:
		return
	default:
		close(t.stop)
	}
	t.running.Wait()
	for _, h := range t.handlers {
		for _, l := range h.attached() {
			l.Detach(Cause{Text: "the gateway has ended", Gateway: true})
		}
	}
}

// Watch calls attached for each handler, now and whenever its first lane attaches or its last one has ended. The calls
// come one at a time for each handler, and must not block. Call it before Start.
func (t *Table) Watch(attached func(name string, attached bool)) {
	for _, name := range t.Names() {
		h := t.handlers[name]
		h.watch = attached
		attached(name, false)
	}
}

// lookUp returns a handler, or an error that names the others.
func (t *Table) lookUp(name string) (*Handler, error) {
	h := t.handlers[name]
	if h != nil {
		return h, nil
	}
	has := "no listener has a remote handler"
	if names := t.Names(); len(names) > 0 {
		has = "expected one of " + strings.Join(names, ", ")
	}
	return nil, &UnknownHandlerError{Text: fmt.Sprintf("no listener has the handler %.100q: %s", "remote:"+name, has)}
}

// UnknownHandlerError says that no listener has a handler. Text is a sentence that names those that there are.
type UnknownHandlerError struct{ Text string }

// Error returns Text.
func (e *UnknownHandlerError) Error() string { return e.Text }

// waits counts connections that wait for a lane, and returns how many there are.
func (t *Table) waits(n int) int64 {
	t.server.AddHeld(n)
	return t.held.Add(int64(n))
}
