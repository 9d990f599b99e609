package cli

import (
	"encoding/json"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
)

// A gateway keeps the promises of the fake: however the control connection is cut, the sequence is dense.
func TestReconnectToAGateway(t *testing.T) {
	gateway := gatewaytest.Start(t)
	const clients = 5
	for range clients {
		connectOnce(t, gateway.Addr)
	}
	for cut := 0; cut < 6000; cut += 371 {
		run := &invocation{ctx: t.Context(), gateway: cuttingProxy(t, gateway.Control, cut), stdout: ctltest.NewOutput(),
			stderr: ctltest.NewOutput()}
		// LISTENING, and CONNECTED, ENDED and CLOSED of each client.
		if code := run.run("events", "--reconnect", "--after", "0", "-o", "json", "--limit", "16"); code != app.ExitDone {
			t.Fatalf("cut at %d: exit code %d: %s", cut, code, run.stderr)
		}
		dec := json.NewDecoder(strings.NewReader(run.stdout.String()))
		for n := uint64(1); n <= 1+3*clients; n++ {
			var e struct {
				Sequence uint64 `json:"sequence,string"`
				Type     string `json:"type"`
			}
			if err := dec.Decode(&e); err != nil || e.Sequence != n {
				t.Fatalf("cut at %d: event %d is %+v (%v)", cut, n, e, err)
			}
		}
	}
}

// connectOnce is one client that comes and goes in an orderly way.
func connectOnce(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).CloseWrite()
	if _, err := io.ReadAll(conn); err != nil {
		t.Fatal(err)
	}
}
