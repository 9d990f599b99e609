package cli

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/events"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// watch is `list --watch`: it lists, follows from the list's cursor, and lists again after a gap. The missed events
// are lost, but a new list shows the state of now.
func watch(ctx context.Context, a *app.App, c *app.Client, o listOptions, state pb.ListState) error {
	w := &watcher{app: a, client: c, options: o, state: state, left: newCountdown(o.limit)}
	w.rows = a.NewConnectionRows(true, true)
	for {
		again, err := w.round(ctx)
		if err != nil && ctx.Err() != nil {
			return nil // interrupted: the usual end
		}
		if err == nil && !again {
			return app.ExitWith(w.absent.ExitCode(app.ExitDone))
		}
		if err != nil {
			return err
		}
	}
}

type watcher struct {
	app     *app.App
	client  *app.Client
	options listOptions
	state   pb.ListState

	mu    sync.Mutex // with a filter there are two streams
	left  *countdown
	rows  *app.ConnectionRows
	known map[string]string // the labels last shown of each live connection, by ID
	stale bool              // labels were changed since
	gap   bool

	fleet  bool          // the gateway is in a fleet
	absent app.Absentees // the nodes that the list lacks
}

// round lists and follows once; again means that events were missed.
func (w *watcher) round(ctx context.Context) (again bool, err error) {
	w.known, w.gap, w.stale = map[string]string{}, false, false
	listed, err := walk(ctx, w.client, w.options.request(w.app, w.state), w.left, w.listed)
	w.fleet, w.absent = listed.fleet, listed.absent
	w.app.SayAbsent(&w.absent)
	if err != nil || w.left.over() {
		return false, err
	}
	following, cancel := context.WithCancel(ctx)
	defer cancel()
	var labels sync.WaitGroup
	var labelsErr error
	types, apart := watchTypes(), []pb.EventType{pb.EventType_EVENT_TYPE_CONTROL}
	if w.fleet {
		types, apart = append(types, backTypes()...), append(apart, backTypes()...)
	}
	if w.options.filter != "" { // a filter keeps events without a connection out of the stream
		labels.Go(func() {
			defer cancel()
			labelsErr = w.follow(following, "", listed.cursor, apart, w.controlled)
		})
	}
	err = w.follow(following, w.options.filter, listed.cursor, types, w.happened)
	cancel()
	labels.Wait()
	if err == nil {
		err = labelsErr
	}
	return w.gap && ctx.Err() == nil, err
}

func (w *watcher) follow(ctx context.Context, filter, cursor string, types []pb.EventType,
	emit func(context.Context, []*pb.Event) error) error {
	f := &app.Follower{
		App: w.app, Client: w.client, Reconnect: true,
		Request: &pb.StreamEventsRequest{Types: types, Filter: filter, After: cursor,
			Scope: w.app.Scope(&w.options.scope)},
		Emit: func(batch []*pb.Event) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			return emit(ctx, batch)
		},
	}
	return f.Run(ctx)
}

// watchTypes are the events that change a row.
func watchTypes() []pb.EventType {
	return []pb.EventType{
		pb.EventType_EVENT_TYPE_CONNECTED,
		pb.EventType_EVENT_TYPE_ENDED,
		pb.EventType_EVENT_TYPE_IDLE_TIMEOUT,
		pb.EventType_EVENT_TYPE_BACKPRESSURE_ON,
		pb.EventType_EVENT_TYPE_BACKPRESSURE_OFF,
		pb.EventType_EVENT_TYPE_ERROR,
		pb.EventType_EVENT_TYPE_CLOSED,
		pb.EventType_EVENT_TYPE_CONTROL,
	}
}

// backTypes are the events of nodes that may be listed now, and could not be before.
func backTypes() []pb.EventType {
	return []pb.EventType{pb.EventType_EVENT_TYPE_NODE_JOINED,
		pb.EventType_EVENT_TYPE_NODE_RECOVERED}
}

// add adds a row and notes the labels in it.
func (w *watcher) add(event string, conn *pb.Connection) error {
	if conn.GetState() == pb.ConnectionState_CONNECTION_STATE_CLOSED {
		delete(w.known, conn.GetId())
	} else {
		w.known[conn.GetId()] = app.LabelText(conn.GetLabels())
	}
	return w.rows.Add(event, conn)
}

func (w *watcher) listed(page []*pb.Connection) error {
	for _, conn := range page {
		if err := w.add(app.TypeText(pb.EventType_EVENT_TYPE_PRESENT), conn); err != nil {
			return err
		}
	}
	return w.rows.Flush()
}

func (w *watcher) happened(ctx context.Context, batch []*pb.Event) error {
	for _, e := range batch {
		if gap := e.GetGap(); gap != nil {
			if err := w.rows.Flush(); err != nil {
				return err
			}
			w.app.Say("events%s were missed (%s); listing again", w.ofNode(e), events.GapText(gap))
			w.gap = true
			return app.ErrStop
		}
		if w.back(e) {
			return errors.Join(w.rows.Flush(), app.ErrStop)
		}
		w.stale = w.stale || changesLabels(e)
		if e.GetConnection() == nil {
			continue
		}
		if err := w.add(app.TypeText(e.GetType()), e.GetConnection()); err != nil {
			return err
		}
		if w.left.take(1); w.left.over() {
			break
		}
	}
	return w.settle(ctx)
}

// ofNode names the node of an event, in a fleet.
func (w *watcher) ofNode(e *pb.Event) string {
	if !w.fleet {
		return ""
	}
	return " of " + e.GetNode()
}

// back reports whether a node that the list lacks is there again, so that it must be listed.
func (w *watcher) back(e *pb.Event) bool {
	node := e.GetMember().GetNode()
	if !slices.Contains(backTypes(), e.GetType()) || !w.absent.Known[node] {
		return false
	}
	w.app.Say("%s is back; listing again", node)
	w.gap = true
	return true
}

// controlled gets the events that a filter keeps out of the other stream.
func (w *watcher) controlled(ctx context.Context, batch []*pb.Event) error {
	for _, e := range batch {
		if w.back(e) {
			return app.ErrStop
		}
		w.stale = w.stale || changesLabels(e) || e.GetGap() != nil
	}
	return w.settle(ctx)
}

func changesLabels(e *pb.Event) bool { return e.GetControl().GetVerb() == "SetLabels" }

// settle makes the added rows visible, then the rows whose labels changed meanwhile, and ends at the limit.
func (w *watcher) settle(ctx context.Context) error {
	if w.stale && !w.left.over() {
		if err := w.relabel(ctx); err != nil {
			return err
		}
	}
	if err := w.rows.Flush(); err != nil || !w.left.over() {
		return err
	}
	return app.ErrStop
}

// relabel lists again after a SetLabels: no event is about the single connections that it labelled.
func (w *watcher) relabel(ctx context.Context) error {
	var failed error // of our own output
	all := w.options.request(w.app, pb.ListState_LIST_STATE_LIVE)
	listed, err := walk(ctx, w.client, all, newCountdown(0), func(page []*pb.Connection) error {
		for _, conn := range page {
			labels, known := w.known[conn.GetId()]
			if known && labels == app.LabelText(conn.GetLabels()) || w.left.over() {
				continue
			}
			event := eventLabeled
			if !known {
				event = app.TypeText(pb.EventType_EVENT_TYPE_PRESENT)
			}
			if failed = w.add(event, conn); failed != nil {
				return failed
			}
			w.left.take(1)
		}
		return nil
	})
	w.app.SayAbsent(w.absent.Take(&listed.absent))
	if failed == nil && app.Retryable(err) && err != nil {
		return nil // still stale: the next events, or the stream's own end, try again
	}
	w.stale = false
	return err
}

// eventLabeled is the event's name in the row of a connection whose labels changed.
const eventLabeled = "LABELED"
