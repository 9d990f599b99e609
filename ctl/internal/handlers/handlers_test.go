package handlers

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	chatJSON  = `{"handler":"chat","node":"edge-1","lanes":0,"connections":"0","held":"12","failed":"3","ignoredCommands":"0","unacknowledgedBytes":"0"}`
	jt808JSON = `{"handler":"jt808","node":"edge-1","lanes":3,"connections":"500","held":"0","failed":"0","ignoredCommands":"4","unacknowledgedBytes":"65536"}`
	pod7JSON  = `{"handler":"jt808","instance":"pod-7","node":"edge-1","lanes":2,"connections":"500","unacknowledgedBytes":"65536","unacknowledgedAge":"1.500s","deliveries":"1000","commands":"900","bytesDelivered":"64000","bytesCommanded":"57600","draining":false,"attachedAt":"2026-03-04T09:31:02.123Z","actor":"backend","silent":"0.200s"}`
	pod8JSON  = `{"handler":"jt808","instance":"pod-8","node":"edge-1","lanes":1,"connections":"0","unacknowledgedBytes":"0","deliveries":"0","commands":"0","bytesDelivered":"0","bytesCommanded":"0","draining":true,"attachedAt":"2026-03-04T10:31:02.123Z","actor":"backend","silent":"0s"}`
)

// Handlers and instances are shown in every format.
func TestHandlersFormats(t *testing.T) {
	for format, want := range map[string]string{
		"table": `HANDLER   INSTANCE   NODE     LANES   CONNECTIONS   HELD   UNACKNOWLEDGED   AGE    DELIVERIES   COMMANDS   DRAINING   SILENT
chat      -          edge-1   0       0             12     0B               -      -            -          -          -
jt808     pod-7      edge-1   2       500           -      64KiB            1.5s   1000         900        false      200ms
jt808     pod-8      edge-1   1       0             -      0B               -      0            0          true       0s
`,
		"wide": `HANDLER   INSTANCE   NODE     LANES   CONNECTIONS   HELD   UNACKNOWLEDGED   AGE    DELIVERIES   COMMANDS   DRAINING   SILENT   ATTACHED                   BY        BYTES-DELIVERED   BYTES-COMMANDED   FAILED   IGNORED
chat      -          edge-1   0       0             12     0B               -      -            -          -          -        -                          -         -                 -                 3        0
jt808     -          edge-1   3       500           0      64KiB            -      -            -          -          -        -                          -         -                 -                 0        4
jt808     pod-7      edge-1   2       500           -      64KiB            1.5s   1000         900        false      200ms    2026-03-04T09:31:02.123Z   backend   62.5KiB           56.2KiB           -        -
jt808     pod-8      edge-1   1       0             -      0B               -      0            0          true       0s       2026-03-04T10:31:02.123Z   backend   0B                0B                -        -
`,
		"name": "pod-7\npod-8\n",
		"json": chatJSON + "\n" + jt808JSON + "\n" + pod7JSON + "\n" + pod8JSON + "\n",
	} {
		against(t, listing(twoHandlers())).expect(t, app.ExitDone, want, "", "handlers -o "+format)
	}
	run := against(t, listing(twoHandlers()))
	if code := run.run("handlers", "-o", "yaml"); code != app.ExitDone ||
		!strings.Contains(run.stdout.String(), "---\nhandler: jt808\ninstance: pod-7\nnode: edge-1\nlanes: 2\n") {
		t.Errorf("exit code %d: %s", code, run.stdout)
	}
}

// A handler with instances has a row of its own as well where it holds connections.
func TestHandlerThatHoldsBesideItsInstances(t *testing.T) {
	resp := &pb.ListInstancesResponse{Instances: []*pb.Instance{instance("a", "full", "n")},
		Handlers: []*pb.HandlerStatus{{Handler: "a", Node: "n", Lanes: 2, Connections: 500, Held: 7},
			{Handler: "a", Node: "other"}}}
	run := against(t, listing(resp))
	run.run("handlers")
	want := regexp.MustCompile(`(?m)^a +- +n +2 +500 +7 .*\na +- +other +0 +0 +0 .*\na +full +n `)
	if !want.MatchString(run.stdout.String()) {
		t.Errorf("%s", run.stdout)
	}
}

// A gateway without remote handlers has none to list; one that is named and not there is not found.
func TestHandlersOfNone(t *testing.T) {
	const header = "HANDLER   INSTANCE   NODE   LANES   CONNECTIONS   HELD   UNACKNOWLEDGED   AGE   DELIVERIES   COMMANDS   " +
		"DRAINING   SILENT\n"
	g := &fakeGateway{list: func(_ int, req *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
		if req.GetHandler() == "lost" {
			return &pb.ListInstancesResponse{Fleet: fleetOf(nil)}, nil
		}
		return &pb.ListInstancesResponse{}, nil
	}}
	against(t, g).expect(t, app.ExitDone, header, "", "handlers")
	against(t, g).expect(t, app.ExitDone, "", "", "handlers -o json")
	against(t, g).expect(t, app.ExitNotFound, header, "ctl: no listener has the handler remote:none; ctl handlers without "+
		"--handler shows those that are there\n", "handlers --handler none")
	against(t, g).expect(t, app.ExitPartial, header, silentText, "handlers --handler lost")
}

// The request has the handler and the scope.
func TestHandlersRequest(t *testing.T) {
	var got *pb.ListInstancesRequest
	g := &fakeGateway{list: func(_ int, req *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
		got = req
		return twoHandlers(), nil
	}}
	words := strings.Fields("handlers --handler jt808 --node edge-1 --require-all")
	if code := against(t, g).run(words...); code != app.ExitDone ||
		got.GetHandler() != "jt808" || got.GetScope().GetNodes()[0] != "edge-1" || !got.GetScope().GetRequireAll() {
		t.Errorf("exit code %d, %v", code, got)
	}
}

// An answer that some nodes lack is shown, and the end is partial.
func TestHandlersOfAFleet(t *testing.T) {
	resp := twoHandlers()
	resp.Instances = append(resp.Instances, instance("jt808", "pod-7", "edge-3"))
	resp.Fleet = fleetOf(nil)
	against(t, listing(resp)).expect(t, app.ExitPartial, "pod-7\npod-8\n", silentText, "handlers -o name")
	run := against(t, listing(resp))
	if code := run.run("handlers"); code != app.ExitPartial || strings.Count(run.stdout.String(), "pod-7") != 2 ||
		run.stderr.String() != silentText {
		t.Errorf("exit code %d: %s%s", code, run.stdout, run.stderr)
	}
	denied := &fakeGateway{list: func(int, *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
		return nil, status.Error(codes.PermissionDenied, "no")
	}}
	against(t, denied).expect(t, app.ExitDenied, "", "ctl: no (PermissionDenied)\n", "handlers")
}

// later is the n-th answer of a gateway whose instance gets 30 deliveries and sends 15 commands between two.
func later(n int) *pb.ListInstancesResponse {
	resp := proto.CloneOf(twoHandlers())
	resp.Instances[0].Deliveries += uint64(30 * n)
	resp.Instances[0].Commands += uint64(15 * n)
	return resp
}

// Two answers make rates, in every format.
func TestHandlersInterval(t *testing.T) {
	g := func() *fakeGateway {
		return &fakeGateway{list: func(n int, _ *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
			return later(n), nil
		}}
	}
	run := against(t, g())
	run.expect(t, app.ExitDone, `HANDLER   INSTANCE   NODE     LANES   CONNECTIONS   HELD   UNACKNOWLEDGED   AGE    DELIVERIES/S   COMMANDS/S   DRAINING   SILENT
chat      -          edge-1   0       0             12     0B               -      -              -            -          -
jt808     pod-7      edge-1   2       500           -      64KiB            1.5s   15             7.5          false      200ms
jt808     pod-8      edge-1   1       0             -      0B               -      0              0            true       0s
`, "", "handlers --interval 2s")
	if len(run.waits) != 1 || run.waits[0] != 2*time.Second {
		t.Errorf("waits %v", run.waits)
	}
	run = against(t, g())
	run.run("handlers", "--interval", "1s", "-o", "json")
	want := `"actor":"backend","silent":"0.200s","deliveriesPerSecond":30,"commandsPerSecond":15}` + "\n"
	if !strings.Contains(run.stdout.String(), want) ||
		!strings.HasPrefix(run.stdout.String(), chatJSON+"\n"+jt808JSON+"\n") {
		t.Errorf("%s", run.stdout)
	}
	run = against(t, g())
	if run.run("handlers", "--interval", "1s", "-o", "yaml"); !strings.Contains(run.stdout.String(),
		"deliveriesPerSecond: 30\ncommandsPerSecond: 15\n") {
		t.Errorf("%s", run.stdout)
	}
	against(t, g()).expect(t, app.ExitDone, "pod-7\npod-8\n", "", "handlers --interval 1s -o name")
}

// A rate is not known of an instance that was not there before, and of a counter that has begun again.
func TestRateThatIsNotKnown(t *testing.T) {
	g := &fakeGateway{list: func(n int, _ *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
		resp := twoHandlers()
		if n == 0 {
			resp.Instances = resp.Instances[:1]
		} else {
			resp.Instances[0].Deliveries = 10
		}
		return resp, nil
	}}
	run := against(t, g)
	run.run("handlers", "--interval", "1s", "-o", "json")
	for _, want := range []string{`"deliveriesPerSecond":null,"commandsPerSecond":0}`,
		`"deliveriesPerSecond":null,"commandsPerSecond":null}`} {
		if strings.Count(run.stdout.String(), want) != 1 {
			t.Errorf("no %s in %s", want, run.stdout)
		}
	}
}

// A watch shows rates until it is interrupted, asks again when the gateway is away, and names a silent node once.
func TestHandlersWatch(t *testing.T) {
	g := &fakeGateway{list: func(n int, _ *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
		if n == 2 {
			return nil, status.Error(codes.ResourceExhausted, "too much to do")
		}
		resp := later(n)
		resp.Fleet = fleetOf(nil)
		return resp, nil
	}}
	run := against(t, g)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	run.ctx = ctx
	run.waited = func(n int) {
		if n == 4 {
			cancel()
		}
	}
	code := run.run("handlers", "--watch", "--interval", "500ms")
	tables := strings.Split(run.stdout.String(), "\n\n")
	if code != app.ExitPartial || len(tables) != 2 || strings.Count(run.stdout.String(), "HANDLER ") != 2 {
		t.Errorf("exit code %d: %s", code, run.stdout)
	}
	// 30 in half a second, and then 60 in a whole one.
	for _, table := range tables {
		if !strings.Contains(table, "   60             30           false") {
			t.Errorf("%s", table)
		}
	}
	if want := silentText + "ctl: too much to do (ResourceExhausted); asking again in 500ms\n"; run.stderr.String() != want {
		t.Errorf("stderr: %s", run.stderr)
	}
}

// A watch ends when the gateway refuses, and when its first answer is an error.
func TestHandlersWatchEnds(t *testing.T) {
	for _, first := range []int{0, 1} {
		g := &fakeGateway{list: func(n int, _ *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
			if n >= first {
				return nil, status.Error(codes.PermissionDenied, "no")
			}
			return twoHandlers(), nil
		}}
		against(t, g).expect(t, app.ExitDenied, "", "ctl: no (PermissionDenied)\n", "handlers --watch -o json")
	}
}

// Words that cannot be meant are refused before a gateway is asked.
func TestHandlersUsage(t *testing.T) {
	long := strings.Repeat("x", 65)
	for words, want := range map[string]string{
		"handlers pod-7":                       `handlers "pod-7" is not known; use drain`,
		"handlers --interval 99ms":             "give 100ms to 1h",
		"handlers --interval 61m":              "give 100ms to 1h",
		"handlers --interval -1s":              "give 100ms to 1h",
		"handlers --watch -o name":             "-o name has none",
		"handlers --handler A":                 "is no handler's name",
		"handlers --handler remote:x":          "is no handler's name",
		"handlers --handler " + long:           "is no handler's name",
		"handlers --node n --local":            "leave one of them out",
		"handlers -o csv":                      "not an output format",
		"handlers drain":                       "the name of one INSTANCE, and was given 0 arguments",
		"handlers drain a b":                   "and was given 2 arguments",
		"handlers drain a/b --yes":             "is no instance's name",
		"handlers drain " + long + " --yes":    "is no instance's name",
		"handlers drain a --handler B --yes":   "is no handler's name",
		"handlers drain a --timeout -1s --yes": "give 0 to 1h",
		"handlers drain a --timeout 61m --yes": "give 0 to 1h",
		"handlers drain a --reason " + long + long + long + long + " --yes": "the limit is 256",
		"handlers drain a --node n --local --yes":                           "leave one of them out",
		"handlers drain a": "pass --yes to go ahead",
	} {
		run := against(t, &fakeGateway{})
		if code := run.run(strings.Fields(words)...); code != app.ExitUsage || !strings.Contains(run.stderr.String(), want) {
			t.Errorf("ctl %s: exit code %d: %s", words, code, run.stderr)
		}
	}
}

// A text in place of a name is refused with its row, and the rest is shown.
func TestHandlersOfAHostileGateway(t *testing.T) {
	resp := twoHandlers()
	resp.Instances[1].Instance = "--yes;rm\n"
	resp.Handlers[0].Handler = "a\u202e"
	against(t, listing(resp)).expect(t, app.ExitPartial, jt808JSON+"\n"+pod7JSON+"\n",
		`ctl: the gateway at GATEWAY gave "--yes;rm\n" for an instance's name (expected 1 to 64 of A-Z, a-z, 0-9, ., _ and -);`+
			" left out of its answer: 2 parts with such a mistake\n", "handlers -o json")
}

// Names of instances, with their handlers, and of handlers are offered.
func TestCompletion(t *testing.T) {
	resp := twoHandlers()
	resp.Instances = append(resp.Instances, instance("chat", "pod-7", "edge-2"), instance("chat", "--yes", "edge-1"),
		instance("chat", "web-1", "edge-1"))
	for words, want := range map[string]string{
		"handlers drain p":             "pod-7\tjt808, chat\npod-8\tjt808\n:4\n",
		"handlers drain -":             "",
		"handlers drain pod-7 x":       ":4\n",
		"handlers drain --handler j":   "jt808\n:4\n",
		"handlers --handler c":         "chat\n:4\n",
		"handlers --interval 1":        ":4\n",
		"handlers drain x --timeout 1": ":4\n",
	} {
		run := against(t, listing(resp))
		run.run(append([]string{"__complete"}, strings.Fields(words)...)...)
		if got := run.stdout.String(); want != "" && got != want || strings.HasPrefix(got, "--yes\tchat") {
			t.Errorf("%s completes to %q", words, got)
		}
	}
	run := against(t, listing(resp))
	if run.run("__complete", "handlers", ""); !strings.Contains(run.stdout.String(), "drain\t") {
		t.Errorf("%s", run.stdout)
	}
}
