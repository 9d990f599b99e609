package handlers

import (
	"context"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
)

// watch lists with rates until ctx ends. It names each node that does not answer once. A gateway that is away for a
// while is asked again.
func watch(ctx context.Context, a *app.App, c *app.Client, o *options) error {
	before, err := ask(ctx, a, c, o)
	if err != nil {
		return err
	}
	var named app.Absentees
	for shown := false; a.Env.Sleep(ctx, o.interval) == nil; {
		now, err := ask(ctx, a, c, o)
		switch {
		case ctx.Err() != nil:
			return ending(before)
		case err != nil && app.Retryable(err):
			a.Say("%s; asking again in %s", app.Sentence(err), units.ExactDuration(o.interval))
			continue
		case err != nil:
			return err
		}
		a.SayAbsent(named.Take(app.AbsentFrom(now.GetFleet())))
		if err := showNext(a, now, before, shown); err != nil {
			return err
		}
		before, shown = now, true
	}
	return ending(before)
}

// showNext shows one list of several, below an empty line when it is a table behind another.
func showNext(a *app.App, now, before *answer, behind bool) error {
	if behind && a.Tabular() {
		if err := a.Stdout.Line(""); err != nil {
			return err
		}
	}
	return show(a, now, before)
}

// ending is the end of a watch: partial when nodes did not answer last.
func ending(last *answer) error {
	return app.ExitWith(app.AbsentFrom(last.GetFleet()).ExitCode(app.ExitDone))
}
