package cli

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	sockgatev1 "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// pages serves these connections two a page, with an empty page between.
func pages(conns ...*sockgatev1.Connection) func(*sockgatev1.ListConnectionsRequest) (*sockgatev1.ListConnectionsResponse, error) {
	return func(req *sockgatev1.ListConnectionsRequest) (*sockgatev1.ListConnectionsResponse, error) {
		var at, empty int
		_, _ = fmt.Sscanf(req.GetPageToken(), "%d/%d", &at, &empty)
		resp := &sockgatev1.ListConnectionsResponse{TotalSize: int64(len(conns)), Cursor: "c.0"}
		if empty == 1 {
			resp.NextPageToken = fmt.Sprintf("%d/0", at)
			return resp, nil
		}
		end := min(at+min(2, int(req.GetPageSize())), len(conns))
		resp.Connections = conns[at:end]
		if end < len(conns) {
			resp.NextPageToken = fmt.Sprintf("%d/1", end)
		}
		return resp, nil
	}
}

const (
	openJSON = `{"id":"edge-1.19ab0d3f1c2.42","node":"edge-1","listener":"game","remoteAddress":"127.0.0.1:50612","localAddress":"127.0.0.1:8017",` +
		`"connectedAt":"2026-03-04T10:27:50.123Z","lastActiveAt":"2026-03-04T10:31:00.623Z","bytesReceived":"1536","bytesSent":"20","queuedBytes":"3145728",` +
		`"state":"CONNECTION_STATE_OPEN","labels":{"a":"\u001b[31m","room":"7"},"closeReason":"CLOSE_REASON_UNSPECIFIED","closeText":"","closedBy":"","readPaused":false,` +
		`"tlsVersion":"","tlsCipher":"","tlsProtocol":"","tlsServerName":"","peerIdentity":"","proxyAddress":""}` + "\n"
	openTable = `ID                      STATE   REMOTE            AGE     IDLE   RECEIVED   SENT   QUEUED   LABELS
edge-1.19ab0d3f1c2.42   OPEN    127.0.0.1:50612   3m12s   1.5s   1.5KiB     20B    3MiB     a=\x1b[31m,room=7
`
	closedTable = `ID                      STATE    REMOTE            AGE     IDLE   RECEIVED   SENT   QUEUED   LABELS              REASON
edge-1.19ab0d3f1c2.42   OPEN     127.0.0.1:50612   3m12s   1.5s   1.5KiB     20B    3MiB     a=\x1b[31m,room=7   -
edge-1.19ab0d3f1c2.43   CLOSED   127.0.0.1:50612   3m      -      1.5KiB     20B    3MiB     -                   KICKED
`
	closedWide = `ID                      STATE    REMOTE            AGE   IDLE   RECEIVED   SENT   QUEUED   LABELS   REASON   LISTENER   LOCAL            CONNECTED                  ACTIVE                     CLOSED                     TEXT   BY            PAUSED   IDENTITY   TLS   CIPHER   ALPN   SNI   PROXY
edge-1.19ab0d3f1c2.43   CLOSED   127.0.0.1:50612   3m    -      1.5KiB     20B    3MiB     -        KICKED   game       127.0.0.1:8017   2026-03-04T10:27:50.123Z   2026-03-04T10:31:00.623Z   2026-03-04T10:30:50.123Z   spam   127.0.0.1:1   false    -          -     -        -      -     -
`
	openYAML = `---
id: edge-1.19ab0d3f1c2.42
node: edge-1
listener: game
remoteAddress: 127.0.0.1:50612
localAddress: 127.0.0.1:8017
connectedAt: "2026-03-04T10:27:50.123Z"
lastActiveAt: "2026-03-04T10:31:00.623Z"
bytesReceived: "1536"
bytesSent: "20"
queuedBytes: "3145728"
state: CONNECTION_STATE_OPEN
labels:
  a: "\e[31m"
  room: "7"
closeReason: CLOSE_REASON_UNSPECIFIED
closeText: ""
closedBy: ""
readPaused: false
tlsVersion: ""
tlsCipher: ""
tlsProtocol: ""
tlsServerName: ""
peerIdentity: ""
proxyAddress: ""
`
)

func TestListFormats(t *testing.T) {
	open, closed := testConnection("edge-1.19ab0d3f1c2.42"), closedConnection("edge-1.19ab0d3f1c2.43")
	tests := []struct {
		args  string
		conns []*sockgatev1.Connection
		want  string
	}{
		{"list", []*sockgatev1.Connection{open}, openTable},
		{"list", nil, "ID   STATE   REMOTE   AGE   IDLE   RECEIVED   SENT   QUEUED   LABELS\n"},
		{"list --state all", []*sockgatev1.Connection{open, closed}, closedTable},
		{"list --state closed -o wide", []*sockgatev1.Connection{closed}, closedWide},
		{"list -o json", []*sockgatev1.Connection{open, open, open}, openJSON + openJSON + openJSON},
		{"list -o yaml", []*sockgatev1.Connection{open, open}, openYAML + openYAML},
		{"list -o name", []*sockgatev1.Connection{open, closed, open, open, closed}, "edge-1.19ab0d3f1c2.42\nedge-1.19ab0d3f1c2.43\nedge-1.19ab0d3f1c2.42\nedge-1.19ab0d3f1c2.42\nedge-1.19ab0d3f1c2.43\n"},
		{"list -o name --limit 3", []*sockgatev1.Connection{open, closed, open, open, closed}, "edge-1.19ab0d3f1c2.42\nedge-1.19ab0d3f1c2.43\nedge-1.19ab0d3f1c2.42\n"},
		{"list -o name", nil, ""},
		{"list -o json", nil, ""},
	}
	for _, tt := range tests {
		against(t, &fakeGateway{list: pages(tt.conns...)}).expect(t, app.ExitDone, tt.want, "", strings.Fields(tt.args)...)
	}
}

func TestListRequest(t *testing.T) {
	var got []*sockgatev1.ListConnectionsRequest
	list := pages(testConnection("n.1.1"), testConnection("n.1.2"), testConnection("n.1.3"))
	g := &fakeGateway{list: func(req *sockgatev1.ListConnectionsRequest) (*sockgatev1.ListConnectionsResponse, error) {
		got = append(got, req)
		return list(req)
	}}
	against(t, g).expect(t, app.ExitDone, "n.1.1\nn.1.2\nn.1.3\n", "", "list", "-o", "name", "--filter", "true", "--state", "ALL")
	for _, req := range got {
		if req.GetPageSize() != 1000 || req.GetFilter() != "true" || req.GetState() != sockgatev1.ListState_LIST_STATE_ALL {
			t.Errorf("request %v", req)
		}
	}
}

func TestColour(t *testing.T) {
	tests := []struct {
		name      string
		terminal  bool
		variables map[string]string
		args      []string
		want      bool
	}{
		{"terminal", true, nil, []string{"list"}, true},
		{"no terminal", false, nil, []string{"list"}, false},
		{"NO_COLOR", true, map[string]string{"NO_COLOR": "1"}, []string{"list"}, false},
		{"dumb", true, map[string]string{"TERM": "dumb"}, []string{"list"}, false},
		{"--no-color", true, nil, []string{"list", "--no-color"}, false},
		{"json", true, nil, []string{"list", "-o", "json"}, false},
	}
	for _, tt := range tests {
		run := against(t, &fakeGateway{list: pages(testConnection("n.1.1"))})
		run.terminal, run.variables = tt.terminal, tt.variables
		run.run(tt.args...)
		if got := strings.Contains(run.stdout.String(), "\x1b[1m"); got != tt.want {
			t.Errorf("%s: colour %t, want %t", tt.name, got, tt.want)
		}
	}
}

func TestWatch(t *testing.T) {
	var followed []*sockgatev1.StreamEventsRequest
	g := &fakeGateway{list: pages(testConnection("n.1.1"), testConnection("n.1.2"))}
	event := func(kind sockgatev1.EventType, c *sockgatev1.Connection) *sockgatev1.Event {
		return &sockgatev1.Event{Type: kind, Connection: c}
	}
	g.stream = func(req *sockgatev1.StreamEventsRequest, s eventStream) error {
		if req.GetFilter() == "" { // of CONTROL events
			<-s.Context().Done()
			return nil
		}
		followed = append(followed, req)
		switch len(followed) {
		case 1: // ends in the middle
			return s.Send(&sockgatev1.StreamEventsResponse{Cursor: "c.2", Events: []*sockgatev1.Event{
				event(sockgatev1.EventType_EVENT_TYPE_CONNECTED, testConnection("n.1.3")),
				event(sockgatev1.EventType_EVENT_TYPE_ERROR, nil),
			}})
		case 2: // misses something
			return s.Send(&sockgatev1.StreamEventsResponse{Cursor: "c.9", Events: []*sockgatev1.Event{
				{Type: sockgatev1.EventType_EVENT_TYPE_GAP, Details: &sockgatev1.Event_Gap{Gap: &sockgatev1.GapDetails{From: 3, To: 8, Reason: sockgatev1.GapReason_GAP_REASON_OVERRUN}}},
			}})
		default:
			return s.Send(&sockgatev1.StreamEventsResponse{Cursor: "c.10", Events: []*sockgatev1.Event{
				event(sockgatev1.EventType_EVENT_TYPE_CLOSED, closedConnection("n.1.2")),
			}})
		}
	}
	run := against(t, g)
	code := run.run("list", "--watch", "--limit", "6", "--filter", "true")
	var rows []string
	for _, line := range strings.Split(strings.TrimSpace(run.stdout.String()), "\n") {
		f := strings.Fields(line)
		rows = append(rows, strings.Join(f[:3], " "))
	}
	want := "EVENT ID STATE|PRESENT n.1.1 OPEN|PRESENT n.1.2 OPEN|CONNECTED n.1.3 OPEN|PRESENT n.1.1 OPEN|PRESENT n.1.2 OPEN|CLOSED n.1.2 CLOSED"
	if got := strings.Join(rows, "|"); code != 0 || got != want {
		t.Errorf("exit code %d, rows %s\nwant %s", code, got, want)
	}
	run.stderr.await(t, "events were missed (OVERRUN from=3 to=8); listing again")
	if a := followed[0].GetAfter() + followed[1].GetAfter() + followed[2].GetAfter(); a != "c.0c.2c.0" || followed[0].GetFilter() != "true" {
		t.Errorf("followed after %s", a)
	}
}

func TestGet(t *testing.T) {
	g := &fakeGateway{get: func(req *sockgatev1.GetConnectionRequest) (*sockgatev1.GetConnectionResponse, error) {
		switch req.GetId() {
		case "edge-1.19ab0d3f1c2.42":
			return &sockgatev1.GetConnectionResponse{Connection: testConnection(req.GetId())}, nil
		case "edge-1.19ab0d3f1c2.43":
			return &sockgatev1.GetConnectionResponse{Connection: closedConnection(req.GetId())}, nil
		case "bad":
			return nil, failure(codes.InvalidArgument, `"bad" is not an ID`, "MALFORMED_ID", nil)
		case "secret":
			return nil, failure(codes.PermissionDenied, "not for you", "DENIED", nil)
		default:
			return nil, failure(codes.NotFound, "no connection "+req.GetId(), "CONNECTION_NOT_FOUND", nil)
		}
	}}
	const missing = "ctl: no connection x.1.1 (CONNECTION_NOT_FOUND)\n"
	tests := []struct {
		args   string
		code   int
		stdout string
		stderr string
	}{
		{"get edge-1.19ab0d3f1c2.42 edge-1.19ab0d3f1c2.43", app.ExitDone, closedTable, ""},
		{"get edge-1.19ab0d3f1c2.42 -o json", app.ExitDone, openJSON, ""},
		{"get edge-1.19ab0d3f1c2.42 -o yaml", app.ExitDone, openYAML, ""},
		{"get edge-1.19ab0d3f1c2.42 -o name", app.ExitDone, "edge-1.19ab0d3f1c2.42\n", ""},
		{"get edge-1.19ab0d3f1c2.43 -o wide", app.ExitDone, closedWide, ""},
		{"get x.1.1", app.ExitNotFound, "", missing},
		{"get x.1.1 x.1.1", app.ExitNotFound, "", missing + missing},
		{"get x.1.1 edge-1.19ab0d3f1c2.42 -o name", app.ExitPartial, "edge-1.19ab0d3f1c2.42\n", missing},
		{"get bad", app.ExitUsage, "", "ctl: \"bad\" is not an ID (MALFORMED_ID)\n"},
		{"get secret edge-1.19ab0d3f1c2.42", app.ExitDenied, "", "ctl: not for you (DENIED)\n"},
	}
	for _, tt := range tests {
		against(t, g).expect(t, tt.code, tt.stdout, tt.stderr, strings.Fields(tt.args)...)
	}
}

func TestSend(t *testing.T) {
	tests := []struct {
		outcome sockgatev1.Outcome
		args    string
		code    int
		stdout  string
		stderr  string
	}{
		{sockgatev1.Outcome_OUTCOME_WRITTEN, "", 0, "ID      OUTCOME   QUEUED   UNSENT\nn.1.1   WRITTEN   5B       3B\n", ""},
		{sockgatev1.Outcome_OUTCOME_WRITTEN, "-o json", 0, `{"outcome":"OUTCOME_WRITTEN","queuedBytes":"5","unsentBytes":"3"}` + "\n", ""},
		{sockgatev1.Outcome_OUTCOME_WRITTEN, "-o yaml", 0, "---\noutcome: OUTCOME_WRITTEN\nqueuedBytes: \"5\"\nunsentBytes: \"3\"\n", ""},
		{sockgatev1.Outcome_OUTCOME_QUEUED, "-o name", 0, "n.1.1\n", ""},
		{sockgatev1.Outcome_OUTCOME_QUEUED, "-o name --wait written", 3, "n.1.1\n", "ctl: n.1.1: not written in time; the bytes stay queued, in order (5 bytes in the queue)\n"},
		{sockgatev1.Outcome_OUTCOME_DROPPED_QUEUE_FULL, "-o name", 1, "", "ctl: n.1.1: dropped whole, because its send queue is full\n"},
		{sockgatev1.Outcome_OUTCOME_CLOSED, "-o name", 1, "", "ctl: n.1.1: the connection is closed; 3 of 2 bytes were not sent\n"},
		{sockgatev1.Outcome_OUTCOME_NOT_FOUND, "-o name", 4, "", "ctl: n.1.1: no such connection\n"},
		{sockgatev1.Outcome_OUTCOME_NODE_RESTARTED, "-o name", 4, "", "ctl: n.1.1: that connection ended when the node restarted\n"},
		{sockgatev1.Outcome_OUTCOME_UNKNOWN_NODE, "-o name", 4, "", "ctl: n.1.1: no node of that name here\n"},
		{sockgatev1.Outcome_OUTCOME_UNKNOWN, "-o name", 1, "", "ctl: n.1.1: what happened cannot be known\n"},
	}
	for _, tt := range tests {
		g := &fakeGateway{send: func(*sockgatev1.SendRequest) (*sockgatev1.SendResponse, error) {
			return &sockgatev1.SendResponse{Outcome: tt.outcome, QueuedBytes: 5, UnsentBytes: 3}, nil
		}}
		against(t, g).expect(t, tt.code, tt.stdout, tt.stderr, append([]string{"send", "n.1.1", "hi"}, strings.Fields(tt.args)...)...)
	}
}

func TestSendPayloads(t *testing.T) {
	var got *sockgatev1.SendRequest
	g := &fakeGateway{send: func(req *sockgatev1.SendRequest) (*sockgatev1.SendResponse, error) {
		got = req
		return &sockgatev1.SendResponse{Outcome: sockgatev1.Outcome_OUTCOME_WRITTEN}, nil
	}}
	tests := []struct {
		stdin string
		args  string
		want  string
	}{
		{"", "hé -n", "hé\n"},
		{"a\r\n\x00", "-", "a\r\n\x00"},
		{"", "48656C --encoding hex", "Hel"},
		{"48 65\n6c\n", "- --encoding hex", "Hel"},
		{"", "aGk= --encoding base64 --newline", "hi\n"},
		{strings.Repeat("x", 1<<20), "- --wait written --wait-timeout 2s", strings.Repeat("x", 1<<20)},
	}
	for _, tt := range tests {
		run := against(t, g)
		run.stdin = strings.NewReader(tt.stdin)
		if code := run.run(append([]string{"send", "n.1.1"}, strings.Fields(tt.args)...)...); code != 0 || string(got.GetData()) != tt.want {
			t.Errorf("%s: exit code %d, %d bytes sent: %s", tt.args, code, len(got.GetData()), run.stderr)
		}
	}
	if got.GetWait() != sockgatev1.SendWait_SEND_WAIT_WRITTEN || got.GetWaitTimeout().AsDuration() != 2*time.Second {
		t.Errorf("wait: %v %v", got.GetWait(), got.GetWaitTimeout())
	}
	for _, encoding := range []string{"utf8", "hex"} {
		run := against(t, g)
		run.stdin = endless{}
		if code := run.run("send", "n.1.1", "-", "--encoding", encoding); code != app.ExitUsage {
			t.Errorf("endless stdin in %s: exit code %d", encoding, code)
		}
		run.stderr.await(t, "1048576 bytes (1MiB)")
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '0'
	}
	return len(p), nil
}

func TestBroadcast(t *testing.T) {
	good := &sockgatev1.BroadcastResponse{Matched: 3, Written: 2, Queued: 1}
	bad := &sockgatev1.BroadcastResponse{Matched: 3, Written: 1, Dropped: 1, Closed: 1, Replayed: true, Failures: []*sockgatev1.TargetOutcome{
		{Id: "n.1.1", Outcome: sockgatev1.Outcome_OUTCOME_DROPPED_QUEUE_FULL}, {Id: "n.1.2", Outcome: sockgatev1.Outcome_OUTCOME_CLOSED, UnsentBytes: 2},
	}}
	badText := "ctl: n.1.1: dropped whole, because its send queue is full\n" +
		"ctl: n.1.2: the connection is closed or closing (2 bytes were not sent)\nctl: 2 of 3 connections did not get it\n"
	tests := []struct {
		resp   *sockgatev1.BroadcastResponse
		format string
		code   int
		stdout string
		stderr string
	}{
		{good, "table", 0, "MATCHED   WRITTEN   QUEUED   DROPPED   CLOSED   REPLAYED\n3         2         1        0         0        false\n", ""},
		{bad, "table", 3, "MATCHED   WRITTEN   QUEUED   DROPPED   CLOSED   REPLAYED\n3         1         0        1         1        true\n", badText},
		{good, "json", 0, `{"matched":"3","written":"2","queued":"1","dropped":"0","closed":"0","failures":[],"replayed":false}` + "\n", ""},
		{good, "yaml", 0, "---\nmatched: \"3\"\nwritten: \"2\"\nqueued: \"1\"\ndropped: \"0\"\nclosed: \"0\"\nfailures: []\nreplayed: false\n", ""},
	}
	for _, tt := range tests {
		var got *sockgatev1.BroadcastRequest
		g := &fakeGateway{broadcast: func(req *sockgatev1.BroadcastRequest) (*sockgatev1.BroadcastResponse, error) {
			got = req
			return tt.resp, nil
		}}
		against(t, g).expect(t, tt.code, tt.stdout, tt.stderr, "broadcast", "hi", "-n", "--filter", "true", "--exclude", "n.1.8", "--exclude", "n.1.9", "-o", tt.format)
		uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
		if string(got.GetData()) != "hi\n" || got.GetFilter() != "true" || fmt.Sprint(got.GetExcludeIds()) != "[n.1.8 n.1.9]" || !uuid.MatchString(got.GetRequestId()) {
			t.Errorf("request %v", got)
		}
	}
}

func TestBroadcastRetriesWithTheSameRequestID(t *testing.T) {
	for _, requestID := range []string{"7f000001-0000-4000-8000-000000000000", ""} {
		var ids []string
		g := &fakeGateway{broadcast: func(req *sockgatev1.BroadcastRequest) (*sockgatev1.BroadcastResponse, error) {
			if ids = append(ids, req.GetRequestId()); len(ids) < 3 {
				return nil, errBroken
			}
			return &sockgatev1.BroadcastResponse{}, nil
		}}
		code := against(t, g).run("broadcast", "hi", "--request-id", requestID)
		if requestID != "" && (code != 0 || strings.Join(ids, " ") != requestID+" "+requestID+" "+requestID) {
			t.Errorf("exit code %d, request IDs %q", code, ids)
		}
		if requestID == "" && (code != app.ExitUnreachable || len(ids) != 1) {
			t.Errorf("without a request ID: exit code %d, %d attempts", code, len(ids))
		}
	}
	run := &invocation{ctx: t.Context(), gateway: refused(t), stdout: newWatched(), stderr: newWatched()}
	if code := run.run("broadcast", "hi"); code != app.ExitUnreachable {
		t.Errorf("unreachable: exit code %d", code)
	}
	run.stderr.await(t, "safe to repeat it with --request-id ")
}

func kickOutcomes(outcomes ...sockgatev1.Outcome) *sockgatev1.KickResponse {
	resp := &sockgatev1.KickResponse{Matched: uint64(len(outcomes))}
	for i, o := range outcomes {
		target := &sockgatev1.TargetOutcome{Id: fmt.Sprintf("n.1.%d", i+1), Outcome: o}
		resp.Outcomes = append(resp.Outcomes, target)
		switch o {
		case sockgatev1.Outcome_OUTCOME_CLOSED:
			resp.Closed++
		case sockgatev1.Outcome_OUTCOME_KICKED, sockgatev1.Outcome_OUTCOME_WOULD_KICK:
			resp.Kicked++
		case sockgatev1.Outcome_OUTCOME_KICKED_UNFLUSHED:
			resp.Kicked++
			target.UnsentBytes = 9
		default:
			resp.NotFound++
		}
	}
	return resp
}

func TestKickIDs(t *testing.T) {
	const (
		kicked   = sockgatev1.Outcome_OUTCOME_KICKED
		missing  = sockgatev1.Outcome_OUTCOME_NOT_FOUND
		closed   = sockgatev1.Outcome_OUTCOME_CLOSED
		lossy    = sockgatev1.Outcome_OUTCOME_KICKED_UNFLUSHED
		badID    = sockgatev1.Outcome_OUTCOME_MALFORMED_ID
		notFound = ": no such connection\n"
	)
	tests := []struct {
		outcomes []sockgatev1.Outcome
		format   string
		code     int
		stdout   string
		stderr   string
	}{
		{[]sockgatev1.Outcome{kicked, lossy}, "table", 0, "ID      OUTCOME            UNSENT\nn.1.1   KICKED             0B\nn.1.2   KICKED_UNFLUSHED   9B\n",
			"ctl: n.1.2: kicked before all queued bytes were taken (9 bytes were not sent)\n"},
		{[]sockgatev1.Outcome{kicked}, "json", 0, `{"outcomes":[{"id":"n.1.1","outcome":"OUTCOME_KICKED","unsentBytes":"0"}],"matched":"1","kicked":"1","closed":"0","notFound":"0","banned":[]}` + "\n", ""},
		{[]sockgatev1.Outcome{kicked}, "yaml", 0, "---\noutcomes:\n  - id: n.1.1\n    outcome: OUTCOME_KICKED\n    unsentBytes: \"0\"\nmatched: \"1\"\nkicked: \"1\"\nclosed: \"0\"\nnotFound: \"0\"\nbanned: []\n", ""},
		{[]sockgatev1.Outcome{kicked, missing}, "name", 3, "n.1.1\n", "ctl: n.1.2" + notFound + "ctl: 2 matched: 1 kicked, 1 not found\n"},
		{[]sockgatev1.Outcome{kicked, closed}, "name", 3, "n.1.1\n", "ctl: n.1.2: the connection is closed or closing\nctl: 2 matched: 1 kicked, 1 already closed\n"},
		{[]sockgatev1.Outcome{missing}, "name", 4, "", "ctl: n.1.1" + notFound},
		{[]sockgatev1.Outcome{missing, missing}, "name", 4, "", "ctl: n.1.1" + notFound + "ctl: n.1.2" + notFound + "ctl: 2 matched: 2 not found\n"},
		{[]sockgatev1.Outcome{closed}, "name", 1, "", "ctl: n.1.1: the connection is closed or closing\n"},
		{[]sockgatev1.Outcome{badID}, "name", 2, "", "ctl: \"n.1.1\" is not a connection ID; expected node.incarnation.seq, for example edge-1.19ab0d3f1c2.42\n"},
	}
	for _, tt := range tests {
		var got *sockgatev1.KickRequest
		g := &fakeGateway{kick: func(req *sockgatev1.KickRequest) (*sockgatev1.KickResponse, error) {
			got = req
			return kickOutcomes(tt.outcomes...), nil
		}}
		against(t, g).expect(t, tt.code, tt.stdout, tt.stderr, "kick", "n.1.1", "n.1.2", "--reason", "spam", "--farewell", "bye", "--flush-timeout", "3s", "-o", tt.format)
		if got.GetReason() != "spam" || string(got.GetFarewell()) != "bye" || got.GetFlushTimeout().AsDuration() != 3*time.Second || got.GetValidateOnly() || got.GetFilter() != "" {
			t.Errorf("request %v", got)
		}
	}
}

func TestKickFilter(t *testing.T) {
	tests := []struct {
		name     string
		args     string
		terminal bool
		stdin    string
		matched  int
		code     int
		calls    string // of validate_only
		stdout   string
		stderr   string
	}{
		{"yes", "--yes", false, "", 2, 0, "[false]", "MATCHED   KICKED   CLOSED   NOT-FOUND\n2         2        0        0\n", ""},
		{"asked, yes", "-o name", true, "y\n", 2, 0, "[true false]", "", "Kick 2 connections? [y/N] "},
		{"asked, one", "-o name", true, "YES\n", 1, 0, "[true false]", "", "Kick 1 connection? [y/N] "},
		{"asked, no", "-o name", true, "n\n", 2, 1, "[true]", "", "Kick 2 connections? [y/N] ctl: not confirmed; nothing was done\n"},
		{"asked, return", "", true, "\n", 2, 1, "[true]", "", "Kick 2 connections? [y/N] ctl: not confirmed; nothing was done\n"},
		{"asked, end of input", "", true, "", 2, 1, "[true]", "", "Kick 2 connections? [y/N] ctl: not confirmed; nothing was done\n"},
		{"nothing to ask about", "", true, "", 0, 0, "[true]", "", "ctl: no connection matches\n"},
		{"nobody to ask", "", false, "y\n", 2, 2, "[]", "", "ctl: stdin is not a terminal, so nobody can be asked to confirm; pass --yes to go ahead\nRun 'ctl kick --help' for usage.\n"},
		{"dry run", "--dry-run", false, "", 2, 0, "[true]", "ID      OUTCOME      UNSENT\nn.1.1   WOULD_KICK   0B\nn.1.2   WOULD_KICK   0B\n", "ctl: 2 matched: 2 would be kicked\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := []bool{}
			g := &fakeGateway{kick: func(req *sockgatev1.KickRequest) (*sockgatev1.KickResponse, error) {
				calls = append(calls, req.GetValidateOnly())
				resp := &sockgatev1.KickResponse{Matched: uint64(tt.matched), Kicked: uint64(tt.matched)}
				for i := 0; req.GetValidateOnly() && i < tt.matched; i++ {
					resp.Outcomes = append(resp.Outcomes, &sockgatev1.TargetOutcome{Id: fmt.Sprintf("n.1.%d", i+1), Outcome: sockgatev1.Outcome_OUTCOME_WOULD_KICK})
				}
				return resp, nil
			}}
			run := against(t, g)
			run.terminal, run.stdin, run.variables = tt.terminal, strings.NewReader(tt.stdin), map[string]string{"NO_COLOR": "1"}
			run.expect(t, tt.code, tt.stdout, tt.stderr, append([]string{"kick", "--filter", "true"}, strings.Fields(tt.args)...)...)
			if fmt.Sprint(calls) != tt.calls {
				t.Errorf("validate_only %v, want %s", calls, tt.calls)
			}
		})
	}
}

func TestKickDryRunOfMany(t *testing.T) {
	g := &fakeGateway{kick: func(*sockgatev1.KickRequest) (*sockgatev1.KickResponse, error) {
		resp := kickOutcomes(make([]sockgatev1.Outcome, 100)...)
		for _, o := range resp.Outcomes {
			o.Outcome = sockgatev1.Outcome_OUTCOME_WOULD_KICK
		}
		resp.Matched, resp.Kicked, resp.NotFound = 250, 250, 0
		return resp, nil
	}}
	run := against(t, g)
	run.expect(t, 0, numbered(1, 100), "ctl: 250 matched: 250 would be kicked (the first 100 are shown)\n", "kick", "--filter", "true", "--dry-run", "-o", "name")
}

func TestPromptIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stdin, typing := io.Pipe()
	defer typing.Close()
	run := against(t, &fakeGateway{})
	run.ctx, run.terminal, run.stdin = ctx, true, stdin
	go func() {
		run.stderr.await(t, "[y/N]")
		cancel()
	}()
	run.expect(t, app.ExitFailed, "", "Shut the gateway at GATEWAY down? [y/N] \nctl: not confirmed; nothing was done\n", "shutdown")
}

func TestLabel(t *testing.T) {
	var got *sockgatev1.SetLabelsRequest
	resp := &sockgatev1.SetLabelsResponse{Matched: 2, Labeled: 1, Refused: 1, Outcomes: []*sockgatev1.TargetOutcome{
		{Id: "n.1.1", Outcome: sockgatev1.Outcome_OUTCOME_LABELED}, {Id: "n.1.2", Outcome: sockgatev1.Outcome_OUTCOME_TOO_MANY_LABELS},
	}}
	g := &fakeGateway{labels: func(req *sockgatev1.SetLabelsRequest) (*sockgatev1.SetLabelsResponse, error) {
		got = req
		return resp, nil
	}}
	const refusal = "ctl: n.1.2: it would have more than 16 labels; nothing was changed\n"
	tests := map[string]string{
		"table": "ID      OUTCOME           UNSENT\nn.1.1   LABELED           0B\nn.1.2   TOO_MANY_LABELS   0B\n",
		"name":  "n.1.1\n",
		"json": `{"outcomes":[{"id":"n.1.1","outcome":"OUTCOME_LABELED","unsentBytes":"0"},{"id":"n.1.2","outcome":"OUTCOME_TOO_MANY_LABELS","unsentBytes":"0"}],` +
			`"matched":"2","labeled":"1","closed":"0","notFound":"0","refused":"1"}` + "\n",
	}
	for format, stdout := range tests {
		against(t, g).expect(t, app.ExitPartial, stdout, refusal, "label", "n.1.1", "room=7", "n.1.2", "old-", "url=a=b-", "-o", format)
		if fmt.Sprint(got.GetConnectionIds(), got.GetSet(), got.GetRemove()) != "[n.1.1 n.1.2] map[room:7 url:a=b-] [old]" {
			t.Errorf("request %v", got)
		}
	}
	against(t, g).expect(t, app.ExitPartial, "MATCHED   LABELED   CLOSED   NOT-FOUND   REFUSED\n2         1         0        0           1\n", refusal, "label", "--filter", "true", "a=1")
	if got.GetFilter() != "true" || len(got.GetConnectionIds()) != 0 {
		t.Errorf("request %v", got)
	}
	resp = &sockgatev1.SetLabelsResponse{}
	against(t, g).expect(t, app.ExitDone, "", "ctl: no connection matches\n", "label", "--filter", "false", "a=1", "-o", "name")
}

func TestShutdown(t *testing.T) {
	var got *sockgatev1.ShutdownRequest
	resp := &sockgatev1.ShutdownResponse{Deadline: timestamppb.New(testNow()), Connections: 3}
	g := &fakeGateway{
		shutdown: func(req *sockgatev1.ShutdownRequest) (*sockgatev1.ShutdownResponse, error) {
			got = req
			return resp, nil
		},
		gateway: func() (*sockgatev1.GetGatewayResponse, error) {
			return &sockgatev1.GetGatewayResponse{Cursor: "c.5"}, nil
		},
	}
	const table = "DRAIN     DEADLINE                   CONNECTIONS\nstarted   2026-03-04T10:31:02.123Z   3\n"
	against(t, g).expect(t, 0, table, "", "shutdown", "--yes", "--grace", "0s", "--reason", "upgrade", "--farewell", "bye")
	if got.GetGracePeriod() == nil || got.GetGracePeriod().AsDuration() != 0 || got.GetReason() != "upgrade" || string(got.GetFarewell()) != "bye" {
		t.Errorf("request %v", got)
	}
	against(t, g).expect(t, 0, `{"joined":false,"deadline":"2026-03-04T10:31:02.123Z","connections":"3"}`+"\n", "", "shutdown", "-y", "-o", "json")
	if got.GetGracePeriod() != nil {
		t.Errorf("no grace was given, and %s was sent", got.GetGracePeriod())
	}
	g.stream = func(req *sockgatev1.StreamEventsRequest, s eventStream) error {
		if req.GetAfter() != "c.5" {
			t.Errorf("follows after %q", req.GetAfter())
		}
		for _, e := range []*sockgatev1.Event{
			{Type: sockgatev1.EventType_EVENT_TYPE_DRAIN_STARTED, Time: ago(0), Details: &sockgatev1.Event_Drain{Drain: &sockgatev1.DrainDetails{Connections: 3, Deadline: ago(0), Reason: "up\ngrade"}}},
			{Type: sockgatev1.EventType_EVENT_TYPE_DRAIN_ENDED, Time: ago(0), Details: &sockgatev1.Event_Drain{Drain: &sockgatev1.DrainDetails{EndedByThemselves: 2, ClosedAtDeadline: 1}}},
		} {
			if err := s.Send(&sockgatev1.StreamEventsResponse{Events: []*sockgatev1.Event{e}}); err != nil {
				return err
			}
		}
		return nil
	}
	resp.Joined = true
	against(t, g).expect(t, 0, strings.Replace(table, "DRAIN     DEADLINE                   CONNECTIONS\nstarted   ", "DRAIN    DEADLINE                   CONNECTIONS\njoined   ", 1)+
		"10:31:02.123  DRAIN_STARTED     -  connections=3 deadline=10:31:02.123 reason=\"up\\ngrade\"\n"+
		"10:31:02.123  DRAIN_ENDED       -  connections=0 ended=2 closed=1\n", "", "shutdown", "--yes", "--wait")
}

const infoWant = `Gateway
  node           edge-1
  incarnation    19ab0d3f1c2
  version        v1.2.3
  engine         epoll
  started        2026-03-04T10:27:50.123Z
  uptime         3m12s
  cursor         19ab0d3f1c2.99
  oldest event   1
  draining       no
  memory         12MiB resident, 3MiB heap
  goroutines     17
  caller         ci, proven by token, role operator

Listeners
  game           127.0.0.1:8017 echo open, 2 connections, TLS, client certificates require, PROXY optional
  main           127.0.0.1:8027 echo closed, 1 connection

Limits
  connections          none
  high water           64KiB
  low water            16KiB
  send queue           1MiB
  write timeout        30s
  idle timeout         500ms, then notify
  drain timeout        30s
  events kept          65536
  listener connections games=50,main=100
  connections per ip   20
  accept rate          2.5
  accept burst         5
  receive rate         64KiB
  handshake timeout    10s
  max handshakes       1024
  allow                10.0.0.0/8,2001:db8::/32
  queue budget         1GiB

Totals
  connections    2 live, 7 accepted, 14 refused
  accept errors  0
  refusals       14 (BANNED 2, IP_LIMIT 12)
  pending        3
  denied calls   2 (ROLE_REQUIRED 2)
  closed         5 (KICKED 1, PEER_CLOSED 4)
  received       1.5KiB
  sent           0B
  unsent         0B
  discarded      0B
  queued         2KiB
  sends dropped  0
  read pauses    0
  rate pauses    6
  event streams  1
  events missed  0
`

func TestInfo(t *testing.T) {
	g := &fakeGateway{gateway: func() (*sockgatev1.GetGatewayResponse, error) {
		return &sockgatev1.GetGatewayResponse{
			Node: "edge-1", Incarnation: "19ab0d3f1c2", Version: "v1.2.3", StartedAt: ago(192 * time.Second), Engine: "epoll",
			Uptime: durationpb.New(192 * time.Second), Cursor: "19ab0d3f1c2.99", OldestSequence: 1,
			Process: &sockgatev1.Process{ResidentBytes: 12 << 20, HeapBytes: 3 << 20, Goroutines: 17},
			Listeners: []*sockgatev1.Listener{{Name: "game", Address: "127.0.0.1:8017", Handler: "echo", Open: true, Connections: 2, Tls: true, ClientAuth: "require", ProxyProtocol: "optional"},
				{Name: "main", Address: "127.0.0.1:8027", Handler: "echo", Connections: 1, ProxyProtocol: "off"}},
			Caller: &sockgatev1.Caller{Identity: "ci", Proof: "token", Role: sockgatev1.Role_ROLE_OPERATOR},
			Limits: &sockgatev1.Limits{
				HighWater: 64 << 10, LowWater: 16 << 10, SendQueueLimit: 1 << 20, WriteTimeout: durationpb.New(30 * time.Second),
				IdleTimeout: durationpb.New(500 * time.Millisecond), IdleAction: "notify", DrainTimeout: durationpb.New(30 * time.Second), EventLogSize: 65536,
				ListenerConnections: map[string]uint64{"main": 100, "games": 50}, ConnectionsPerIp: 20, AcceptRate: 2.5, AcceptBurst: 5,
				ReceiveRate: 64 << 10, HandshakeTimeout: durationpb.New(10 * time.Second), MaxHandshakes: 1024, FirstByteTimeout: durationpb.New(0),
				Allow: []string{"10.0.0.0/8", "2001:db8::/32"}, QueueBudget: 1 << 30,
			},
			Totals: &sockgatev1.Totals{Connections: 2, Accepted: 7, Closed: map[string]uint64{"PEER_CLOSED": 4, "KICKED": 1}, BytesReceived: 1536, EventStreams: 1,
				Refused: 14, Refusals: map[string]uint64{"IP_LIMIT": 12, "BANNED": 2}, Pending: 3, QueuedBytes: 2048, RatePauses: 6,
				DeniedCalls: map[string]uint64{"ROLE_REQUIRED": 2}},
		}, nil
	}}
	against(t, g).expect(t, 0, infoWant, "", "info")
	against(t, g).expect(t, 0, "edge-1\n", "", "info", "-o", "name")
	for _, tt := range []struct {
		process *sockgatev1.Process
		want    string
	}{{nil, ""}, {&sockgatev1.Process{HeapBytes: 1024}, "1KiB heap"}} {
		if got := memoryText(tt.process); got != tt.want {
			t.Errorf("memory of %v: %q, want %q", tt.process, got, tt.want)
		}
	}
	run := against(t, g)
	if code := run.run("info", "-o", "json"); code != 0 || !strings.HasPrefix(run.stdout.String(), `{"node":"edge-1","incarnation":"19ab0d3f1c2","version":"v1.2.3",`) {
		t.Errorf("exit code %d: %s", code, run.stdout)
	}
	run = against(t, g)
	if code := run.run("info", "-o", "yaml"); code != 0 || !strings.Contains(run.stdout.String(), "closed:\n    KICKED: \"1\"\n    PEER_CLOSED: \"4\"\n") {
		t.Errorf("exit code %d: %s", code, run.stdout)
	}
}

func TestVersion(t *testing.T) {
	for format, prefix := range map[string]string{"table": "ctl ", "json": `{"version":"`, "yaml": "---\nversion: "} {
		run := against(t, &fakeGateway{})
		if code := run.run("version", "-o", format); code != 0 || !strings.HasPrefix(run.stdout.String(), prefix) {
			t.Errorf("%s: exit code %d: %s", format, code, run.stdout)
		}
	}
}

func TestUnixGateway(t *testing.T) {
	run := against(t, &fakeGateway{})
	if code := run.run("info", "--gateway", "unix:///nonexistent/sock"); code != app.ExitUnreachable {
		t.Errorf("exit code %d: %s", code, run.stderr)
	}
	run.stderr.await(t, "cannot reach the gateway at unix:///nonexistent/sock: dial unix /nonexistent/sock")
}
