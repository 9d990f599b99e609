package cli

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	"github.com/sockgate/sockgate/ctl/internal/events"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// sampleEvents has one event of every type, in the order of the contract.
func sampleEvents() []*pb.Event {
	open, closed := testConnection("edge-1.19ab0d3f1c2.42"), closedConnection("edge-1.19ab0d3f1c2.42")
	listener := &pb.Event_Listener{Listener: &pb.ListenerDetails{Name: "game", Address: "127.0.0.1:8017"}}
	backpressure := func(cause pb.BackpressureCause) *pb.Event_Backpressure {
		return &pb.Event_Backpressure{Backpressure: &pb.BackpressureDetails{Paused: durationpb.New(
			250 * time.Millisecond), QueuedBytes: 70000, Cause: cause}}
	}
	drain := &pb.Event_Drain{Drain: &pb.DrainDetails{Deadline: ago(0), Connections: 2,
		EndedByThemselves: 1, ClosedAtDeadline: 1, Reason: "upgrade"}}
	member := func(message string, silent time.Duration) *pb.Event_Member {
		d := &pb.NodeDetails{Node: "edge-3", Incarnation: "19ab", Version: "v1.2.3", Message: message,
			Connections: 12, EventHead: 99}
		if silent > 0 {
			d.Silent = durationpb.New(silent)
		}
		return &pb.Event_Member{Member: d}
	}
	events := []*pb.Event{
		{Details: listener},
		{Connection: open, Details: &pb.Event_Connected{Connected: &pb.ConnectedDetails{Connections: 3}}},
		{Connection: open, Details: &pb.Event_Data{Data: &pb.DataDetails{Data: []byte("More Axes\n"),
			TotalBytes: 10}}},
		{Connection: open},
		{Connection: open, Details: &pb.Event_IdleTimeout{IdleTimeout: &pb.IdleTimeoutDetails{
			Idle: durationpb.New(500 * time.Millisecond), Closing: true}}},
		{Connection: open, Details: backpressure(pb.BackpressureCause_BACKPRESSURE_CAUSE_SEND_QUEUE)},
		{Connection: open, Details: backpressure(pb.BackpressureCause_BACKPRESSURE_CAUSE_UNSPECIFIED)},
		{Details: &pb.Event_Error{Error: &pb.ErrorDetails{
			Operation: pb.ErrorOperation_ERROR_OPERATION_ACCEPT, Message: "too many open files", Count: 9,
			Listener: "game"}}},
		{Connection: closed, Details: &pb.Event_Closed{Closed: &pb.ClosedDetails{
			Reason: pb.CloseReason_CLOSE_REASON_KICKED, Lifetime: durationpb.New(3 * time.Minute), Connections: 2,
			UnsentBytes: 1, DiscardedBytes: 2}}},
		{Details: listener},
		{Details: drain},
		{Details: drain},
		{Details: drain},
		{Details: &pb.Event_Control{Control: &pb.ControlDetails{
			Verb: "Broadcast", Actor: "127.0.0.1:1", Filter: `id != "x"`, ConnectionIds: []string{"a",
				"b"}, Reason: "r", RequestId: "u", Matched: 3,
			Outcomes: map[string]uint64{"WRITTEN": 2, "CLOSED": 1}, DataBytes: 5,
		}}},
		{Connection: open},
		{Details: &pb.Event_SnapshotComplete{SnapshotComplete: &pb.SnapshotCompleteDetails{Connections: 1,
			Cursor: "edge-1.19ab0d3f1c2@7"}}},
		{Details: &pb.Event_Gap{Gap: &pb.GapDetails{From: 3, To: 8,
			Reason: pb.GapReason_GAP_REASON_EVICTED, RequestedCursor: "19ab0d3f1c2.2"}}},
		{Details: &pb.Event_Refused{Refused: &pb.RefusedDetails{
			Reason: pb.CloseReason_CLOSE_REASON_IP_LIMIT, Listener: "game", Count: 12,
			Message: "20 connections from 203.0.113.7", RemoteAddress: "203.0.113.7:4242"}}},
		{Details: member("first heard of", 0)},
		{Details: member("", 5200*time.Millisecond)},
		{Details: member("it is not asked any more", 10*time.Second)},
		{Details: member("", 12*time.Second)},
		{Details: &pb.Event_Member{Member: &pb.NodeDetails{Node: "edge-3", Incarnation: "19ab",
			Message: "it said that it\nleaves"}}},
		{Details: &pb.Event_Member{Member: &pb.NodeDetails{Node: "edge-3", Incarnation: "19ab",
			Message: "it sent a row of edge-1", Count: 7}}},
		{Details: &pb.Event_Handler{Handler: &pb.HandlerDetails{Handler: "jt808", Instance: "pod-7", Lane: 3,
			Actor: "backend", Proof: "token", SourceAddress: "192.0.2.9:5000", Lanes: 2}}},
		{Details: &pb.Event_Handler{Handler: &pb.HandlerDetails{Handler: "jt808", Instance: "pod-7", Lane: 3,
			Message: "the program ended the stream", Connections: 40, Moved: 30, Held: 10, Actor: "127.0.0.1:5",
			Proof: "none", SourceAddress: "127.0.0.1:5"}}},
		{Connection: open, Details: &pb.Event_Stalled{Stalled: &pb.StalledDetails{Instance: "pod-7",
			Stalled: durationpb.New(30 * time.Second), UnacknowledgedBytes: 65536, Position: 1234}}},
	}
	for i, e := range events {
		e.Node, e.Incarnation, e.Sequence, e.Time, e.Type = "edge-1", "19ab0d3f1c2", uint64(i+1), timestamppb.New(testNow()),
			pb.EventType(i+1)
	}
	return events
}

func serveEvents(events ...*pb.Event) *fakeGateway {
	return &fakeGateway{stream: func(_ *pb.StreamEventsRequest, s eventStream) error {
		return s.Send(&pb.StreamEventsResponse{Events: events, Cursor: "c.0@1"})
	}}
}

const eventLines = `10:31:02.123  LISTENING         -  game 127.0.0.1:8017
10:31:02.123  CONNECTED         edge-1.19ab0d3f1c2.42  127.0.0.1:50612 -> 127.0.0.1:8017  connections=3
10:31:02.123  DATA              edge-1.19ab0d3f1c2.42  "More Axes\n" received=1.5KiB sent=20B
10:31:02.123  ENDED             edge-1.19ab0d3f1c2.42  127.0.0.1:50612 -> 127.0.0.1:8017  received=1.5KiB
10:31:02.123  IDLE_TIMEOUT      edge-1.19ab0d3f1c2.42  127.0.0.1:50612 -> 127.0.0.1:8017  idle=500ms closing=true
10:31:02.123  BACKPRESSURE_ON   edge-1.19ab0d3f1c2.42  127.0.0.1:50612 -> 127.0.0.1:8017  paused=250ms queued=68.4KiB cause=SEND_QUEUE
10:31:02.123  BACKPRESSURE_OFF  edge-1.19ab0d3f1c2.42  127.0.0.1:50612 -> 127.0.0.1:8017  paused=250ms queued=68.4KiB
10:31:02.123  ERROR             -  ACCEPT "too many open files" listener=game count=9
10:31:02.123  CLOSED            edge-1.19ab0d3f1c2.42  127.0.0.1:50612 -> 127.0.0.1:8017  KICKED received=1.5KiB sent=20B lifetime=3m connections=2 unsent=1B discarded=2B text="spam" by=127.0.0.1:1
10:31:02.123  LISTENER_CLOSED   -  game 127.0.0.1:8017
10:31:02.123  DRAIN_STARTED     -  connections=2 deadline=10:31:02.123 ended=1 closed=1 reason="upgrade"
10:31:02.123  DRAIN_PROGRESS    -  connections=2 deadline=10:31:02.123 ended=1 closed=1 reason="upgrade"
10:31:02.123  DRAIN_ENDED       -  connections=2 deadline=10:31:02.123 ended=1 closed=1 reason="upgrade"
10:31:02.123  CONTROL           -  Broadcast by=127.0.0.1:1 filter="id != \"x\"" ids=a,b matched=3 CLOSED=1 WRITTEN=2 data=5B reason="r" request-id=u
10:31:02.123  PRESENT           edge-1.19ab0d3f1c2.42  127.0.0.1:50612 -> 127.0.0.1:8017  OPEN
10:31:02.123  SNAPSHOT_COMPLETE  -  connections=1 cursor=edge-1.19ab0d3f1c2@7
10:31:02.123  GAP               -  events missed: EVICTED from=3 to=8 requested=19ab0d3f1c2.2
10:31:02.123  REFUSED           -  IP_LIMIT "20 connections from 203.0.113.7" listener=game remote=203.0.113.7:4242 count=12
10:31:02.123  NODE_JOINED       -  edge-3.19ab connections=12 version=v1.2.3 "first heard of"
10:31:02.123  NODE_SUSPECT      -  edge-3.19ab connections=12 version=v1.2.3 silent=5.2s
10:31:02.123  NODE_UNREACHABLE  -  edge-3.19ab connections=12 version=v1.2.3 silent=10s "it is not asked any more"
10:31:02.123  NODE_RECOVERED    -  edge-3.19ab connections=12 version=v1.2.3 silent=12s
10:31:02.123  NODE_LEFT         -  edge-3.19ab connections=0 "it said that it\nleaves"
10:31:02.123  NODE_VIOLATION    -  edge-3.19ab connections=0 count=7 "it sent a row of edge-1"
10:31:02.123  HANDLER_ATTACHED  -  jt808 instance=pod-7 lane=3 lanes=2 by=backend proof=token from=192.0.2.9:5000
10:31:02.123  HANDLER_DETACHED  -  jt808 instance=pod-7 lane=3 lanes=0 connections=40 moved=30 held=10 by=127.0.0.1:5 "the program ended the stream"
10:31:02.123  HANDLER_STALLED   edge-1.19ab0d3f1c2.42  127.0.0.1:50612 -> 127.0.0.1:8017  instance=pod-7 stalled=30s unacknowledged=64KiB position=1234
`

func TestEventFormats(t *testing.T) {
	samples := sampleEvents()
	if len(samples) != len(events.TypeNames()) {
		t.Fatalf("%d samples for %d types", len(samples), len(events.TypeNames()))
	}
	against(t, serveEvents(samples...)).expect(t, 0, eventLines, "", "events")
	against(t, serveEvents(samples...)).expect(t, 0, strings.Repeat("edge-1.19ab0d3f1c2.42\n", 9), "", "events", "-o",
		"name")
	against(t, serveEvents(samples[4])).expect(t, 0, "2026-03-04T10:31:02.123Z  5  IDLE_TIMEOUT      "+
		"edge-1.19ab0d3f1c2.42  127.0.0.1:50612 -> 127.0.0.1:8017  idle=500ms closing=true\n", "", "events", "-o", "wide")
	gap := samples[16]
	against(t, serveEvents(gap, gap)).expect(t, 0,
		strings.Repeat(`{"node":"edge-1","incarnation":"19ab0d3f1c2","sequence":"17","time":"2026-03-04T10:31:02.123Z","type":"EVENT_TYPE_GAP",`+
			`"gap":{"from":"3","to":"8","reason":"GAP_REASON_EVICTED","requestedCursor":"19ab0d3f1c2.2","dataEvents":"0","message":""}}`+"\n",
			2), "", "events", "-o", "json")
	against(t, serveEvents(gap)).expect(t, 0, `---
node: edge-1
incarnation: 19ab0d3f1c2
sequence: "17"
time: "2026-03-04T10:31:02.123Z"
type: EVENT_TYPE_GAP
gap:
  from: "3"
  to: "8"
  reason: GAP_REASON_EVICTED
  requestedCursor: 19ab0d3f1c2.2
  dataEvents: "0"
  message: ""
`, "", "events", "-o", "yaml")
}

func TestEventColour(t *testing.T) {
	run := against(t, serveEvents(sampleEvents()[16]))
	run.terminal = true
	run.expect(t, 0, "10:31:02.123  \x1b[31mGAP             \x1b[0m  -  events missed: EVICTED from=3 to=8 "+
		"requested=19ab0d3f1c2.2\n", "", "events")
}

func TestEventDataEncodings(t *testing.T) {
	data := func(id, text string, total int) *pb.Event {
		return &pb.Event{
			Time: ago(0), Type: pb.EventType_EVENT_TYPE_DATA, Connection: &pb.Connection{Id: id},
			Details: &pb.Event_Data{Data: &pb.DataDetails{Data: []byte(text), TotalBytes: uint64(total)}},
		}
	}
	events := []*pb.Event{
		data("a.1.1", "h\xc3", 2), data("b.1.1", "\xe2\x82", 2), data("a.1.1", "\xa9", 1), data("b.1.1", "\xac\x1b", 2),
		data("a.1.1", "x\xc3", 900), data("a.1.1", "\xa9", 1),
	}
	want := map[string][]string{
		"utf8": {`a.1.1  "h"`, `b.1.1  ""`, `a.1.1  "é"`, `b.1.1  "€\x1b"`,
			`a.1.1  "x` + "\uFFFD" + `" (the first 2 of 900 bytes)`, `a.1.1  "` + "\uFFFD" + `"`},
		"hex":    {`a.1.1  68c3`, `b.1.1  e282`, `a.1.1  a9`, `b.1.1  ac1b`, `a.1.1  78c3 (the first 2 of 900 bytes)`, `a.1.1  a9`},
		"base64": {`a.1.1  aMM=`, `b.1.1  4oI=`, `a.1.1  qQ==`, `b.1.1  rBs=`, `a.1.1  eMM= (the first 2 of 900 bytes)`, `a.1.1  qQ==`},
	}
	for encoding, lines := range want {
		var b strings.Builder
		for _, line := range lines {
			fmt.Fprintf(&b, "10:31:02.123  DATA              %s received=0B sent=0B\n", line)
		}
		against(t, serveEvents(events...)).expect(t, 0, b.String(), "", "events", "--data", "--encoding", encoding)
	}
}

func TestCompletion(t *testing.T) {
	var filter string
	g := &fakeGateway{list: func(req *pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error) {
		filter = req.GetFilter()
		resp := &pb.ListConnectionsResponse{}
		for n := range 150 {
			resp.Connections = append(resp.Connections, testConnection(fmt.Sprintf("edge-1.6a.%d", n+1)))
		}
		return resp, nil
	}}
	all := "live\nclosed\nall\n:4\n"
	tests := map[string]string{
		"list --state ":                     all,
		"kick --filter ":                    ":4\n",
		"count --by ":                       "listener\nstate\nclose_reason\nremote_ip\nhandler_instance\nlabels.\n:4\n",
		"events --type handler-d,HANDLER_":  "handler-d,HANDLER_ATTACHED\nhandler-d,HANDLER_DETACHED\nhandler-d,HANDLER_STALLED\n:4\n",
		"events --type connected,DRAIN_S":   "connected,DRAIN_STARTED\n:4\n",
		"info -o ":                          "table\nwide\njson\nyaml\nname\n:4\n",
		"dial --timeout-action ":            "notify\nclose\n:4\n",
		"send --encoding ":                  "utf8\nhex\nbase64\n:4\n",
		"get edge-1.6a.149":                 "edge-1.6a.149\t127.0.0.1:50612\n:4\n",
		"label edge-1.6a.15":                "edge-1.6a.15\t127.0.0.1:50612\nedge-1.6a.150\t127.0.0.1:50612\n:4\n",
		"kick edge-1.6a.150 edge-1.6a.15":   "edge-1.6a.15\t127.0.0.1:50612\n:4\n",
		"send edge-1.6a.1 ":                 ":4\n",
		"broadcast --exclude edge-1.6a.149": "edge-1.6a.149\t127.0.0.1:50612\n:4\n",
	}
	for line, want := range tests {
		run := against(t, g)
		words := strings.Split(line, " ")
		if code := run.run(append([]string{"__complete"}, words...)...); code != 0 {
			t.Errorf("%q: exit code %d", line, code)
		}
		if got := run.stdout.String(); got != want {
			t.Errorf("%q completes to:\n%s\nwant:\n%s", line, got, want)
		}
	}
	run := against(t, g)
	run.run("__complete", "get", "")
	if n := strings.Count(run.stdout.String(), "\t"); n != 100 || filter != "" {
		t.Errorf("%d IDs, filter %q", n, filter)
	}
	run.run("__complete", "get", `a"b`)
	if filter != `id.startsWith("a\"b")` {
		t.Errorf("filter %s", filter)
	}
}

func TestCompletionWithoutGateway(t *testing.T) {
	for _, addr := range []string{ctltest.Refused(t), "nonsense"} {
		run := &invocation{ctx: t.Context(), gateway: addr, stdout: ctltest.NewOutput(), stderr: ctltest.NewOutput()}
		if code := run.run("__complete", "get", ""); code != 0 || run.stdout.String() != ":4\n" {
			t.Errorf("exit code %d: %s", code, run.stdout)
		}
	}
}

func TestCompletionScripts(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		run := against(t, &fakeGateway{})
		if code := run.run("completion", shell); code != 0 || !strings.Contains(run.stdout.String(), "__complete") {
			t.Errorf("%s: exit code %d", shell, code)
		}
	}
}

func TestExitErrorUnwraps(t *testing.T) {
	inner := errors.New("inner")
	if err := error(&app.ExitError{Code: 3, Err: inner}); !errors.Is(err, inner) || app.ExitCode(err) != 3 {
		t.Errorf("%v", err)
	}
}
