package bench

import (
	"context"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/handler"
	gatewayserver "github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	latencyKeys = "{count min mean p50 p90 p99 p999 max}"
	footerKeys  = " failures errors{} firstError client{processors processorSeconds processorsUsed " +
		"schedulingDelayMicroseconds{p50 p99}} notes}"
)

// benchCases are runs of every benchmark that end soon, with their output.
var benchCases = []struct {
	words string
	title string
	rows  string // the names of the table's rows
	keys  string // of the JSON object
}{
	{"echo -c 3 -d 100ms --warmup 10ms", "bench echo",
		"address connections load messages throughput failures client LATENCY round",
		"{benchmark address tls interrupted connections connected connectSeconds connectsPerSecond sizeBytes pipeline " +
			"targetPerSecond warmupSeconds " +
			"measuredSeconds messages answered unanswered unsent messagesPerSecond bytesPerSecond latencyMicroseconds" +
			latencyKeys + " sendLateMicroseconds"},
	{"connect -c 2 -d 100ms --warmup 10ms", "bench connect",
		"address load cycles throughput failures client LATENCY connect cycle",
		"{benchmark address tls interrupted concurrency sizeBytes reset sources targetPerSecond warmupSeconds " +
			"measuredSeconds cycles unfinished " +
			"cyclesPerSecond connectLatencyMicroseconds" + latencyKeys + " cycleLatencyMicroseconds" + latencyKeys},
	{"idle -c 5 -d 50ms", "bench idle", "address connections held memory heap goroutines failures client LATENCY connect",
		"{benchmark address tls interrupted connections connected lost connectSeconds connectsPerSecond heldSeconds " +
			"connectLatencyMicroseconds" + latencyKeys +
			" gateway{engine residentBytesBefore residentBytesAfter heapBytesBefore heapBytesAfter goroutinesBefore " +
			"goroutinesAfter " +
			"residentBytesPerConnection goroutinesPerConnection}"},
	{"broadcast -c 5 --count 10 --size 5000", "bench broadcast",
		"address connections broadcasts deliveries outcomes failures client LATENCY reply delivery all",
		"{benchmark address tls interrupted connections connected sizeBytes targetPerSecond measuredSeconds broadcasts " +
			"broadcastsPerSecond deliveries " +
			"deliveriesPerSecond bytesPerSecond undelivered outcomes{matched written queued dropped closed} " +
			"replyLatencyMicroseconds" + latencyKeys +
			" deliveryLatencyMicroseconds" + latencyKeys + " allLatencyMicroseconds" + latencyKeys},
	{"events -s 3 -c 2 -d 100ms", "bench events",
		"address streams connections events each gaps failures client LATENCY lag",
		"{benchmark address tls interrupted streams concurrency sizeBytes data filter targetPerSecond measuredSeconds " +
			"cycles cyclesPerSecond events " +
			"eventsPerSecond eventsPerSecondPerStream{least median most} gaps missed missedData missedUnknown silent " +
			"lagMicroseconds" + latencyKeys},
}

// TestBenchFormats holds the output of each benchmark, as a table and as JSON, against a real gateway.
func TestBenchFormats(t *testing.T) {
	for _, tt := range benchCases {
		g := gatewaytest.Start(t)
		r := newBenchRun(t.Context(), g.Control)
		if code := r.run(tt.words, g.Addr); code != app.ExitDone {
			t.Errorf("%s: exit code %d: %s", tt.words, code, r.stderr)
		}
		var rows []string
		for _, line := range strings.Split(r.stdout.String(), "\n")[1:] {
			if fields := strings.Fields(line); len(fields) > 0 {
				rows = append(rows, fields[0])
			}
		}
		if firstLine(r.stdout.String()) != tt.title || strings.Join(rows, " ") != tt.rows {
			t.Errorf("%s: %q\n%s", tt.words, rows, r.stdout)
		}
		g = gatewaytest.Start(t) // where the connections of the run before do not end just now
		r = newBenchRun(t.Context(), g.Control)
		if code := r.run(tt.words+" -o json", g.Addr); code != app.ExitDone {
			t.Errorf("%s -o json: exit code %d: %s", tt.words, code, r.stderr)
		}
		if got := keys(t, r.stdout.String()); got != tt.keys+footerKeys {
			t.Errorf("%s -o json:\n%s\nexpected\n%s", tt.words, got, tt.keys+footerKeys)
		}
		r = newBenchRun(t.Context(), g.Control)
		if code := r.run(tt.words+" -o yaml", g.Addr); code != app.ExitDone ||
			!strings.HasPrefix(r.stdout.String(), "---\nbenchmark: "+strings.Fields(tt.words)[0]+"\n") {
			t.Errorf("%s -o yaml: exit code %d: %s", tt.words, code, r.stdout)
		}
	}
}

// TestBenchInterrupted holds that each benchmark of an hour ends when it is interrupted, and prints its measurements
// so far.
func TestBenchInterrupted(t *testing.T) {
	for words, shown := range map[string]string{
		"echo -c 2 -d 1h --warmup 0s":                    `echo +\[.* [1-9][0-9,]* messages`,
		"echo -c 2 -d 1h --warmup 0s --rate 1000":        `echo +\[.* [1-9][0-9,]* messages`,
		"echo -c 1 -d 1h --warmup 0s --size 100000 -p 4": `echo +\[.* [1-9][0-9,]* messages`,
		"connect -c 2 -d 1h --warmup 0s":                 `connect +\[.* [1-9][0-9,]* connections`,
		"idle -c 2 -d 1h":                                `idle +\[.* 2 connections`,
		"broadcast -c 2 -d 1h --count 1000000 --rate 50": `broadcast +\[.* [1-9][0-9,]* of 1000000 broadcasts`,
		"events -s 2 -c 2 -d 1h --rate 500":              `events +\[.* [1-9][0-9,]{2,} connections`,
	} {
		g := gatewaytest.Start(t)
		ctx, cancel := context.WithCancel(t.Context())
		r := newBenchRun(ctx, g.Control)
		r.terminal = true
		ended := make(chan int, 1)
		go func() { ended <- r.run(words+" -o json", g.Addr) }()
		r.stderr.AwaitMatch(t, regexp.MustCompile(shown))
		cancel()
		if code := <-ended; code != app.ExitDone || !strings.Contains(r.stdout.String(), `"interrupted":true`) ||
			!strings.Contains(r.stderr.String(), "interrupted: this is what was measured") {
			t.Errorf("%s: exit code %d: %s%s", words, code, r.stdout, r.stderr)
		}
		g.Stop()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := newBenchRun(ctx, "127.0.0.1:1")
	if code := r.run("echo", ctltest.Serve(t, ctltest.Listen(t), ctltest.Echo)); code != app.ExitFailed ||
		!strings.Contains(r.stderr.String(), "interrupted before anything was measured") {
		t.Errorf("exit code %d: %s", code, r.stderr)
	}
}

// TestBenchWhenTheGatewayGoes holds that a gateway that ends in the middle is a failure with a name.
func TestBenchWhenTheGatewayGoes(t *testing.T) {
	for words, shown := range map[string]string{
		"echo -c 2 -d 1h --warmup 0s":                    `echo +\[.* [1-9][0-9,]* messages`,
		"idle -c 2 -d 1h":                                `idle +\[.* 2 connections`,
		"broadcast -c 2 -d 1h --count 1000000 --rate 50": `broadcast +\[.* [1-9][0-9,]* of 1000000 broadcasts`,
		"events -s 2 -c 2 -d 2s --rate 500":              `events +\[.* [1-9][0-9,]{2,} connections`,
	} {
		g := gatewaytest.Start(t)
		r := newBenchRun(t.Context(), g.Control)
		r.terminal = true
		ended := make(chan int, 1)
		go func() { ended <- r.run(words+" -o json", g.Addr) }()
		r.stderr.AwaitMatch(t, regexp.MustCompile(shown))
		g.Stop()
		want := app.ExitPartial
		if strings.HasPrefix(words, "idle") {
			want = app.ExitFailed // none was held to the end
		}
		if code := <-ended; code != want || strings.Contains(r.stdout.String(), `"failures":0,`) {
			t.Errorf("%s: exit code %d, want %d: %s%s", words, code, want, r.stdout, r.stderr)
		}
	}
}

// TestBenchIdleCost holds that the cost is told only by the control plane that has these connections.
func TestBenchIdleCost(t *testing.T) {
	g, other := gatewaytest.Start(t), gatewaytest.Start(t)
	r := newBenchRun(t.Context(), g.Control)
	code := r.run("idle -c 50 -d 50ms -o json", g.Addr)
	var got idleResult
	if r.result(t, &got); code != app.ExitDone || got.Gateway == nil || got.Gateway.GoroutinesPerConnection < 1 ||
		got.Gateway.HeapBytesAfter == 0 || got.Connected != 50 {
		t.Errorf("exit code %d, %+v %s", code, got, r.stderr)
	}
	for gateway, why := range map[string]string{other.Control: "it is not the control plane of",
		ctltest.Refused(t): "cannot reach the gateway"} {
		r := newBenchRun(t.Context(), gateway)
		code := r.run("idle -c 50 -d 50ms -o json", g.Addr)
		var got idleResult
		if r.result(t, &got); code != app.ExitDone || got.Gateway != nil ||
			!strings.Contains(r.stderr.String(), "is not known") || !strings.Contains(r.stderr.String(), why) {
			t.Errorf("exit code %d, %+v %s", code, got, r.stderr)
		}
	}
}

// TestBenchIdleCostNeedsGrowth holds that ctl divides by nothing when connections of others ended meanwhile.
func TestBenchIdleCostNeedsGrowth(t *testing.T) {
	asked := uint64(0)
	g := &fakeGateway{gateway: func() (*pb.GetGatewayResponse, error) {
		asked++
		return &pb.GetGatewayResponse{Process: &pb.Process{ResidentBytes: 1 << 20 * asked, HeapBytes: 1},
			Totals: &pb.Totals{Connections: 10, Accepted: 10 * asked}}, nil
	}}
	r := newBenchRun(t.Context(), g.serve(t))
	code := r.run("idle -c 10 -d 10ms -o json", ctltest.Serve(t, ctltest.Listen(t), ctltest.Echo))
	var got idleResult
	if r.result(t, &got); code != app.ExitDone || got.Gateway != nil ||
		!strings.Contains(r.stderr.String(), "others ended meanwhile") {
		t.Errorf("exit code %d, %+v %s", code, got, r.stderr)
	}
}

// TestBenchIdleLost holds that connections which the server closes are counted.
func TestBenchIdleLost(t *testing.T) {
	addr := ctltest.Serve(t, ctltest.Listen(t), func(number int, conn net.Conn) {
		_, _ = conn.Write([]byte("hello\n"))
		if number > 0 {
			_, _ = io.Copy(io.Discard, conn)
		}
	})
	r := newBenchRun(t.Context(), ctltest.Refused(t))
	code := r.run("idle -c 3 -d 500ms -o json", addr)
	var got idleResult
	if r.result(t, &got); code != app.ExitPartial || got.Lost != 1 || got.Errors["closedByPeer"] != 1 ||
		got.Connected != 3 {
		t.Errorf("exit code %d, %+v", code, got)
	}
}

// TestBenchBroadcastLeavesOthersAlone holds that the connection of another client gets nothing.
func TestBenchBroadcastLeavesOthersAlone(t *testing.T) {
	g := gatewaytest.Start(t)
	other, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	id := ctltest.FirstConnection(t, g.Client)
	r := newBenchRun(t.Context(), g.Control)
	code := r.run("broadcast -c 20 --count 5 --size 16 -o json", g.Addr)
	var got broadcastResult
	if r.result(t, &got); code != app.ExitDone || got.Broadcasts != 5 || got.Deliveries != 100 ||
		got.Outcomes.Matched != 100 || got.Undelivered != 0 ||
		got.DeliveryLatencyMicroseconds.Count != 100 || got.AllLatencyMicroseconds.Count != 5 ||
		got.ReplyLatencyMicroseconds.Count != 5 {
		t.Errorf("exit code %d, %+v", code, got)
	}
	if _, err := other.Write([]byte("mine")); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 100)
	if n, err := other.Read(buffer); err != nil || string(buffer[:n]) != "mine" {
		t.Errorf("somebody else's connection received %q, %v", buffer[:n], err)
	}
	if c, err := g.Server.Get(id); err != nil || len(c.Labels) != 0 {
		t.Errorf("somebody else's connection: %v, %v", c.Labels, err)
	}
}

// TestBenchBroadcastNeedsItsConnections holds that nothing is sent when the control plane does not list all of them.
func TestBenchBroadcastNeedsItsConnections(t *testing.T) {
	g, other := gatewaytest.Start(t), gatewaytest.Start(t)
	full := gatewaytest.Start(t, func(c *gatewayserver.Config) { c.Limits.MaxConnections = 2 })
	for _, tt := range []struct{ control, addr, want string }{
		{other.Control, g.Addr, "lists 0 of the 3 connections"},
		{full.Control, full.Addr, "lists 2 of the 3 connections"},
	} {
		r := newBenchRun(t.Context(), tt.control)
		if code := r.run("broadcast -c 3 --count 5 --timeout 500ms", tt.addr); code != app.ExitFailed ||
			!strings.Contains(r.stderr.String(), tt.want) {
			t.Errorf("exit code %d: %s", code, r.stderr)
		}
	}
}

// TestBenchBroadcastFindsWrongBytes holds that other bytes sent to its connections are noticed.
func TestBenchBroadcastFindsWrongBytes(t *testing.T) {
	g := gatewaytest.Start(t, func(c *gatewayserver.Config) {
		c.Handler = handler.Echo{Greeting: []byte(
			"welcome to the gateway\n")}
	})
	r := newBenchRun(t.Context(), g.Control)
	if code := r.run("broadcast -c 3 --count 1 --timeout 1s", g.Addr); code != app.ExitFailed ||
		!strings.Contains(r.stderr.String(), "something else was sent to this connection") {
		t.Errorf("exit code %d: %s", code, r.stderr)
	}
}
