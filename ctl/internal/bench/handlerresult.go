package bench

import (
	"fmt"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
)

// handlerResult is the output of `ctl bench handler`. Messages and what is not exact are of the whole run, the warmup
// included; rates and latencies are of the time after it.
type handlerResult struct {
	benchHeader
	Handler                  string        `json:"handler"`
	Instances                int           `json:"instances"`
	Connections              int           `json:"connections"`
	Connected                int           `json:"connected"`
	ConnectSeconds           float64       `json:"connectSeconds"`
	ConnectsPerSecond        float64       `json:"connectsPerSecond"`
	SizeBytes                int           `json:"sizeBytes"`
	InFlight                 int           `json:"inFlight"`
	TargetPerSecond          float64       `json:"targetPerSecond"`
	WarmupSeconds            float64       `json:"warmupSeconds"`
	MeasuredSeconds          float64       `json:"measuredSeconds"`
	Sent                     int64         `json:"sent"`
	Answered                 int64         `json:"answered"`
	Unsent                   int64         `json:"unsent"`
	Lost                     int64         `json:"lost"`
	Doubled                  int64         `json:"doubled"`
	OutOfOrder               int64         `json:"outOfOrder"`
	ClosedConnections        int64         `json:"closedConnections"`
	Kills                    int64         `json:"kills"`
	Restarts                 int64         `json:"restarts"`
	MovedConnections         int64         `json:"movedConnections"`
	MessagesPerSecond        float64       `json:"messagesPerSecond"`
	BytesPerSecond           float64       `json:"bytesPerSecond"`
	LongestPauseMicroseconds float64       `json:"longestPauseMicroseconds"`
	LatencyMicroseconds      latencyReport `json:"latencyMicroseconds"`
	benchFooter
}

func (h *handlerBench) result(o *opened) *handlerResult {
	r := &handlerResult{
		benchHeader: h.header("handler"), Handler: h.handler, Instances: h.options.instances,
		Connections: h.options.connections, Connected: len(o.sockets), ConnectSeconds: seconds(o.took),
		ConnectsPerSecond: o.perSecond(), SizeBytes: h.options.size, InFlight: h.options.inFlight,
		TargetPerSecond: h.options.rate, WarmupSeconds: seconds(h.options.warmup),
		Kills: h.backends.Kills(), Restarts: h.backends.Restarts(), MovedConnections: h.backends.Moved(),
		LatencyMicroseconds: h.trips.report(),
	}
	var pause time.Duration
	for _, c := range h.conns {
		r.add(c)
		pause = max(pause, c.pause)
	}
	r.LongestPauseMicroseconds = microseconds(pause)
	if len(h.conns) > 0 {
		took := max(0, max(time.Duration(h.end.Load()), h.trips.last())-h.warm)
		r.MeasuredSeconds, r.MessagesPerSecond = seconds(took), perSecond(h.trips.count(), took)
		r.BytesPerSecond = perSecond(h.trips.count()*int64(h.options.size), took)
	}
	if r.Unsent > 0 {
		h.note("%s messages were due and not sent by the end: at this rate the gateway, the back end or --in-flight %d does "+
			"not keep up", countText(r.Unsent), h.options.inFlight)
	}
	r.benchFooter = h.benchmark.footer(r.LatencyMicroseconds)
	return r
}

// add sums one connection up.
func (r *handlerResult) add(c *handlerConn) {
	m := c.messages
	r.Sent += m.sent
	r.Answered += m.answered
	r.Unsent += c.unsent
	r.Lost += m.unanswered()
	r.Doubled += m.doubled
	r.OutOfOrder += m.disordered
	if c.closed.Load() {
		r.ClosedConnections++
	}
}

// exact reports whether every message came back once, in order, and no connection was closed.
func (r *handlerResult) exact() bool { return r.Lost+r.Doubled+r.OutOfOrder+r.ClosedConnections == 0 }

// exit ends the run with its exit code.
func (h *handlerBench) exit(r *handlerResult) error {
	if r.exact() {
		return h.benchExit(r.Answered)
	}
	h.app.Say("not exact: %s lost, %s doubled, %s out of order, %s closed", countText(r.Lost), countText(r.Doubled),
		countText(r.OutOfOrder), app.Plural(uint64(r.ClosedConnections), "connection"))
	return app.ExitWith(app.ExitFailed)
}

func (r *handlerResult) table(_ *app.App, s *app.Sections, t *app.Table) {
	s.Row("handler", fmt.Sprintf("%s, %s; %d killed, %d restarted", r.Handler, app.Plural(uint64(r.Instances), "instance"),
		r.Kills, r.Restarts))
	s.Row("connections", connectedText(r.Connected, r.Connections, r.ConnectsPerSecond, r.ConnectSeconds)+
		fmt.Sprintf("; moved %s times", countText(r.MovedConnections)))
	s.Row("load", r.loadText())
	s.Row("messages", fmt.Sprintf("%s sent, %s answered, %s unsent", countText(r.Sent), countText(r.Answered),
		countText(r.Unsent)))
	s.Row("exactness", fmt.Sprintf("%s lost, %s doubled, %s out of order, %s connections closed", countText(r.Lost),
		countText(r.Doubled), countText(r.OutOfOrder), countText(r.ClosedConnections)))
	s.Row("throughput", fmt.Sprintf("%s, %s/s each way", rateText(r.MessagesPerSecond),
		units.HumanBytes(uint64(r.BytesPerSecond))))
	s.Row("longest pause", latencyText(r.LongestPauseMicroseconds))
	addLatency(t, "round trip", r.LatencyMicroseconds)
}

func (r *handlerResult) loadText() string {
	text := fmt.Sprintf("%s a message, %d in flight a connection, ", units.HumanBytes(uint64(r.SizeBytes)), r.InFlight)
	if r.TargetPerSecond > 0 {
		return text + rateText(r.TargetPerSecond)
	}
	return text + "as fast as possible"
}
