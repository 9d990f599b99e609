package bench

import (
	"strings"
	"testing"

	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/frame"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
)

// startChat runs a gateway whose listener has the remote handler `chat`.
func startChat(t testing.TB, format frame.Format) *gatewaytest.Gateway {
	t.Helper()
	table := lane.NewTable()
	return gatewaytest.StartControl(t, control.Config{Handlers: table}, insecure.NewCredentials(), func(c *server.Config) {
		c.Handler = table.Handler("chat")
		c.Listeners[0].Frame = format
	})
}

// TestBenchHandlerAgainstAGateway holds that a real gateway is exact while instances are killed and drained: with the
// bytes as they come, and with frames of one message.
func TestBenchHandlerAgainstAGateway(t *testing.T) {
	for words, text := range map[string]string{
		"--in-flight 1":                               "raw",
		"--in-flight 5 --instances 1":                 "raw",
		"--rate 1000 --in-flight 3":                   "fixed:64",
		"--in-flight 2 --size 100000 --connections 3": "raw",
	} {
		format, err := frame.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		g := startChat(t, format)
		r := newBenchRun(t.Context(), g.Control)
		code := r.run("handler chat -c 10 -d 1s --warmup 0s --kill-every 150ms --restart-every 200ms -o json "+words,
			"--address", g.Addr)
		var got handlerResult
		if r.result(t, &got); code != app.ExitDone || got.Kills == 0 || got.Restarts == 0 || got.MovedConnections == 0 ||
			!got.exact() || got.Answered == 0 || got.Failures != 0 {
			t.Errorf("%s: exit code %d, %+v: %s", words, code, got, r.stderr)
		}
	}
}

// TestBenchHandlerUnknown holds that a handler which no listener has is not found.
func TestBenchHandlerUnknown(t *testing.T) {
	g := startChat(t, frame.Format{})
	r := newBenchRun(t.Context(), g.Control)
	if code := r.run("handler other --address", g.Addr); code != app.ExitNotFound ||
		!strings.Contains(r.stderr.String(), "UNKNOWN_HANDLER") {
		t.Errorf("exit code %d: %s", code, r.stderr)
	}
}
