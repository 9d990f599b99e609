package cli

import (
	"context"
	"errors"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/events"
	"github.com/sockgate/sockgate/ctl/internal/textcode"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

type streamOptions struct {
	scope     app.ScopeFlags
	types     []string
	filter    string
	after     string
	snapshot  bool
	data      bool
	maxData   int32
	encoding  string
	reconnect bool
	noFollow  bool
	limit     int
}

func streamEventsCommand(a *app.App) *cobra.Command {
	var o streamOptions
	cmd := &cobra.Command{
		Use:     "stream-events",
		Aliases: []string{"events"},
		Short:   "Follow the gateway's events",
		Long: `Follow the gateway's events until the gateway has shut down, --limit is reached, or an
interrupt; all end with 0. An interrupt prints the cursor, with which --after goes on.

With --reconnect it resumes by itself behind the last cursor when the stream breaks or ends,
without losing or repeating an event. Events that the gateway no longer has, because it was
restarted or because the interruption was too long, appear as a GAP. A snapshot is then printed
when it is complete. DATA is live only: bytes that peers send during an interruption are not
kept.

In a fleet the stream has the events of all nodes, or of those that --node names, in order for
each node. Lines without a connection show the node. The cursor has a position for each node;
every node of the fleet takes it.

With --no-follow it prints past events, from the oldest event kept or from --after on, and ends.
With a filter that can take the 5 seconds until the gateway reports that no more events match.
Nodes whose events are not available are named, with exit code 3.`,
		Example: `  ctl stream-events --type CONNECTED,CLOSED --reconnect
  ctl events --no-follow
  ctl events --snapshot --filter 'labels["room"] == "7"' --data`,
		Args:              app.Exactly(0, "no arguments"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE:              a.RunE(func(cmd *cobra.Command, _ []string) error { return streamEvents(cmd.Context(), a, o) }),
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.types, "type", nil,
		"only this `TYPE` (repeatable, or separated by commas); GAP and the snapshot always come")
	f.StringVar(&o.filter, "filter", "", app.FilterHelp+"; leaves out events that are about no connection")
	f.StringVar(&o.after, "after", "", "resume exactly behind this `CURSOR`; 0 means from the oldest event kept")
	f.BoolVar(&o.snapshot, "snapshot", false, "begin with a PRESENT event for each live connection")
	f.BoolVar(&o.data, "data", false, "also show received bytes (DATA)")
	f.Int32Var(&o.maxData, "max-data-bytes", 0,
		"with --data, show the first `N` bytes of each read, 1 to 65536 (default 1024)")
	f.StringVar(&o.encoding, "encoding", textcode.EncodingUTF8, "how tables show DATA: utf8, hex or base64")
	f.BoolVar(&o.reconnect, "reconnect", false, "resume when the stream breaks or ends")
	f.BoolVar(&o.noFollow, "no-follow", false,
		"print past events, from --after or else from the oldest event kept on, and end")
	f.IntVar(&o.limit, "limit", 0, "end after `N` events; 0 means no limit")
	a.RegisterScope(cmd, &o.scope)
	_ = cmd.RegisterFlagCompletionFunc("type", events.CompleteTypes)
	app.CompleteFlag(cmd, "encoding", textcode.Encodings()...)
	app.CompleteFlag(cmd, "filter")
	app.CompleteFlag(cmd, "after")
	return cmd
}

func streamEvents(ctx context.Context, a *app.App, o streamOptions) error {
	if err := o.scope.Check(); err != nil {
		return err
	}
	req, err := o.request()
	if err != nil {
		return err
	}
	req.Scope = a.Scope(&o.scope)
	return a.WithClient(func(c *app.Client) error { return followEvents(ctx, a, c, req, &o) })
}

// followEvents prints the stream until it ends. Where it ended early, it names the cursor to go on from.
func followEvents(ctx context.Context, a *app.App, c *app.Client, req *pb.StreamEventsRequest,
	o *streamOptions) (err error) {
	printer, left := events.NewPrinter(a, o.encoding), newCountdown(o.limit)
	f := &app.Follower{App: a, Client: c, Request: req, Reconnect: o.reconnect}
	f.Emit = func(batch []*pb.Event) error {
		printer.Several = f.Several
		return printEvents(a, printer, batch, left)
	}
	code := func() int { return app.ExitDone }
	if o.noFollow {
		if code, err = endNow(ctx, a, f); err != nil {
			return err
		}
	}
	err = f.Run(ctx)
	if (err != nil || ctx.Err() != nil) && f.Begun && f.Cursor != "" && !errors.Is(err, syscall.EPIPE) {
		a.Say("to go on from here: --after %s", f.Cursor)
	}
	if err != nil || ctx.Err() != nil {
		return err
	}
	return app.ExitWith(code())
}

// endNow makes the stream end where the event logs end now. Its exit code is known when the stream has ended.
func endNow(ctx context.Context, a *app.App, f *app.Follower) (code func() int, err error) {
	m, err := a.Now(ctx, f.Client, f.Request.GetScope())
	if err != nil {
		return nil, err
	}
	a.SayAbsent(&m.Absent)
	end, err := a.NewFinish(f.Client, &m)
	if err != nil {
		return nil, err
	}
	f.End = end.ReachedBy
	code = func() int {
		if end.Lost {
			return app.ExitPartial
		}
		return m.Absent.ExitCode(app.ExitDone)
	}
	types, emit := f.Request.Types, f.Emit
	if f.Request.Filter != "" || len(types) == 0 {
		return code, nil
	}
	// Choosing the types here makes the stream come to its end at once; the gateway would pass over the others in silence.
	f.Request.Types = nil
	f.Emit = func(batch []*pb.Event) error {
		return emit(slices.DeleteFunc(batch, func(e *pb.Event) bool {
			return !slices.Contains(types, e.GetType()) && !streamOnly(e.GetType())
		}))
	}
	return code, nil
}

// streamOnly reports whether events of a type are delivered without being asked for.
func streamOnly(t pb.EventType) bool {
	return t == pb.EventType_EVENT_TYPE_PRESENT || t == pb.EventType_EVENT_TYPE_SNAPSHOT_COMPLETE ||
		t == pb.EventType_EVENT_TYPE_GAP
}

// printEvents prints one batch, as far as the limit allows.
func printEvents(a *app.App, p *events.Printer, batch []*pb.Event, left *countdown) error {
	if a.Output == app.FormatName { // only printed events count
		batch = slices.DeleteFunc(batch, func(e *pb.Event) bool { return e.GetConnection() == nil })
	}
	for _, e := range batch[:left.cap(len(batch))] {
		if err := p.Print(e); err != nil {
			return err
		}
	}
	left.take(len(batch))
	if err := a.Stdout.Flush(); err != nil || !left.over() {
		return err
	}
	return app.ErrStop
}

func (o *streamOptions) request() (*pb.StreamEventsRequest, error) {
	if err := textcode.CheckEncoding(o.encoding); err != nil {
		return nil, app.Usagef("%v", err)
	}
	if o.snapshot && o.after != "" {
		return nil, app.Usagef("--snapshot and --after exclude each other: a snapshot begins now, --after in the past")
	}
	if o.noFollow && !o.snapshot && o.after == "" {
		o.after = "0"
	}
	if o.maxData < 0 || o.maxData > 65536 {
		return nil, app.Usagef("--max-data-bytes %d is out of bounds; give 1 to 65536", o.maxData)
	}
	if o.limit < 0 {
		return nil, app.Usagef("--limit %d is not possible; give the number of events, or 0 for all", o.limit)
	}
	types, err := events.ParseTypes(o.types)
	if err != nil {
		return nil, err
	}
	data := pb.EventType_EVENT_TYPE_DATA
	switch {
	case o.noFollow && (o.data || slices.Contains(types, data)):
		return nil, app.Usagef("--no-follow prints what has happened already, and received bytes (DATA) are not kept; " +
			"leave one of the two out")
	case slices.Contains(types, data):
		o.data = true // asking for the type is asking for the bytes
	case o.data && len(types) > 0:
		types = append(types, data)
	}
	return &pb.StreamEventsRequest{
		Types: types, Filter: o.filter, After: o.after, Snapshot: o.snapshot, IncludeData: o.data, MaxDataBytes: o.maxData,
	}, nil
}
