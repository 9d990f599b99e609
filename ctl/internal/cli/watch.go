package cli

import (
	"context"
	"fmt"

	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// watch is `list --watch`: it lists, follows from the list's cursor, and lists again after a gap. What was missed cannot
// be had any more, but what is true now can.
func (a *app) watch(ctx context.Context, c *client, o listOptions, state sockgatev1.ListState) error {
	w := &watcher{app: a, client: c, options: o, state: state, left: newCountdown(o.limit)}
	w.rows = a.newConnectionRows(true, true)
	for {
		again, err := w.round(ctx)
		if err != nil && ctx.Err() != nil {
			return nil // interrupted: the usual end
		}
		if err != nil || !again {
			return err
		}
	}
}

type watcher struct {
	app     *app
	client  *client
	options listOptions
	state   sockgatev1.ListState
	left    *countdown
	rows    *connectionRows
	gap     bool
}

// round lists and follows once; again says that events were missed.
func (w *watcher) round(ctx context.Context) (again bool, err error) {
	cursor, err := w.app.walk(ctx, w.client, w.options.filter, w.state, w.left, w.listed)
	if err != nil || w.left.over() {
		return false, err
	}
	w.gap = false
	f := &follower{
		app: w.app, client: w.client, reconnect: true, emit: w.happened,
		request: &sockgatev1.StreamEventsRequest{Types: watchTypes(w.state), Filter: w.options.filter, After: cursor},
	}
	err = f.run(ctx)
	return w.gap && ctx.Err() == nil, err
}

// watchTypes are the events that change a row.
func watchTypes(state sockgatev1.ListState) []sockgatev1.EventType {
	if state == sockgatev1.ListState_LIST_STATE_CLOSED {
		return []sockgatev1.EventType{sockgatev1.EventType_EVENT_TYPE_CLOSED}
	}
	return []sockgatev1.EventType{
		sockgatev1.EventType_EVENT_TYPE_CONNECTED,
		sockgatev1.EventType_EVENT_TYPE_ENDED,
		sockgatev1.EventType_EVENT_TYPE_IDLE_TIMEOUT,
		sockgatev1.EventType_EVENT_TYPE_BACKPRESSURE_ON,
		sockgatev1.EventType_EVENT_TYPE_BACKPRESSURE_OFF,
		sockgatev1.EventType_EVENT_TYPE_ERROR,
		sockgatev1.EventType_EVENT_TYPE_CLOSED,
	}
}

func (w *watcher) listed(page []*sockgatev1.Connection) error {
	for _, conn := range page {
		if err := w.rows.add(typeText(sockgatev1.EventType_EVENT_TYPE_PRESENT), conn); err != nil {
			return err
		}
	}
	return w.rows.flush()
}

func (w *watcher) happened(events []*sockgatev1.Event) error {
	for _, e := range events {
		if gap := e.GetGap(); gap != nil {
			if err := w.rows.flush(); err != nil {
				return err
			}
			w.app.say("events were missed (%s); listing again", gapText(gap))
			w.gap = true
			return errStop
		}
		if e.GetConnection() == nil {
			continue
		}
		if err := w.rows.add(typeText(e.GetType()), e.GetConnection()); err != nil {
			return err
		}
		if w.left.take(1); w.left.over() {
			break
		}
	}
	if err := w.rows.flush(); err != nil || !w.left.over() {
		return err
	}
	return errStop
}

// gapText tells a gap's range and reason.
func gapText(gap *sockgatev1.GapDetails) string {
	text := enumText(gap.GetReason().String(), "GAP_REASON_")
	switch {
	case gap.GetDataEvents() > 0:
		text += fmt.Sprintf(" data-events=%d", gap.GetDataEvents())
	case gap.GetFrom() > 0 || gap.GetTo() > 0:
		text += fmt.Sprintf(" from=%d to=%d", gap.GetFrom(), gap.GetTo())
	}
	if gap.GetRequestedCursor() != "" {
		text += " requested=" + clean(gap.GetRequestedCursor())
	}
	return text
}
