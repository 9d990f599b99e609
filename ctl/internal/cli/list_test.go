package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// pages serves these connections two a page, with an empty page between.
func pages(conns ...*pb.Connection) func(*pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error) {
	return func(req *pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error) {
		var at, empty int
		_, _ = fmt.Sscanf(req.GetPageToken(), "%d/%d", &at, &empty)
		resp := &pb.ListConnectionsResponse{TotalSize: int64(len(conns)), Cursor: "c.0@0"}
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
		`"tlsVersion":"","tlsCipher":"","tlsProtocol":"","tlsServerName":"","peerIdentity":"","proxyAddress":"",` +
		`"handlerInstance":"","unacknowledgedBytes":"0"}` + "\n"
	openTable = `ID                      STATE   REMOTE            AGE     IDLE   RECEIVED   SENT   QUEUED   LABELS
edge-1.19ab0d3f1c2.42   OPEN    127.0.0.1:50612   3m12s   1.5s   1.5KiB     20B    3MiB     a=\x1b[31m,room=7
`
	closedTable = `ID                      STATE    REMOTE            AGE     IDLE   RECEIVED   SENT   QUEUED   LABELS              REASON
edge-1.19ab0d3f1c2.42   OPEN     127.0.0.1:50612   3m12s   1.5s   1.5KiB     20B    3MiB     a=\x1b[31m,room=7   -
edge-1.19ab0d3f1c2.43   CLOSED   127.0.0.1:50612   3m      -      1.5KiB     20B    3MiB     -                   KICKED
`
	closedWide = `ID                      STATE    REMOTE            AGE   IDLE   RECEIVED   SENT   QUEUED   LABELS   REASON   LISTENER   LOCAL            CONNECTED                  ACTIVE                     CLOSED                     TEXT   BY            PAUSED   IDENTITY   TLS   CIPHER   ALPN   SNI   PROXY   INSTANCE   UNACKNOWLEDGED
edge-1.19ab0d3f1c2.43   CLOSED   127.0.0.1:50612   3m    -      1.5KiB     20B    3MiB     -        KICKED   game       127.0.0.1:8017   2026-03-04T10:27:50.123Z   2026-03-04T10:31:00.623Z   2026-03-04T10:30:50.123Z   spam   127.0.0.1:1   false    -          -     -        -      -     -       -          0B
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
handlerInstance: ""
unacknowledgedBytes: "0"
`
)

func TestListFormats(t *testing.T) {
	open, closed := testConnection("edge-1.19ab0d3f1c2.42"), closedConnection("edge-1.19ab0d3f1c2.43")
	tests := []struct {
		args  string
		conns []*pb.Connection
		want  string
	}{
		{"list", []*pb.Connection{open}, openTable},
		{"list", nil, "ID   STATE   REMOTE   AGE   IDLE   RECEIVED   SENT   QUEUED   LABELS\n"},
		{"list --state all", []*pb.Connection{open, closed}, closedTable},
		{"list --state closed -o wide", []*pb.Connection{closed}, closedWide},
		{"list -o json", []*pb.Connection{open, open, open}, openJSON + openJSON + openJSON},
		{"list -o yaml", []*pb.Connection{open, open}, openYAML + openYAML},
		{"list -o name", []*pb.Connection{open, closed, open, open, closed},
			"edge-1.19ab0d3f1c2.42\nedge-1.19ab0d3f1c2.43\nedge-1.19ab0d3f1c2.42\nedge-1.19ab0d3f1c2.42\nedge-1.19ab0d3f1c2.43\n"},
		{"list -o name --limit 3", []*pb.Connection{open, closed, open, open, closed},
			"edge-1.19ab0d3f1c2.42\nedge-1.19ab0d3f1c2.43\nedge-1.19ab0d3f1c2.42\n"},
		{"list -o name", nil, ""},
		{"list -o json", nil, ""},
	}
	for _, tt := range tests {
		against(t, &fakeGateway{list: pages(tt.conns...)}).expect(t, app.ExitDone, tt.want, "", strings.Fields(tt.args)...)
	}
}

func TestListRequest(t *testing.T) {
	var got []*pb.ListConnectionsRequest
	list := pages(testConnection("n.1.1"), testConnection("n.1.2"), testConnection("n.1.3"))
	g := &fakeGateway{list: func(req *pb.ListConnectionsRequest) (*pb.ListConnectionsResponse, error) {
		got = append(got, req)
		return list(req)
	}}
	against(t, g).expect(t, app.ExitDone, "n.1.1\nn.1.2\nn.1.3\n", "", "list", "-o", "name", "--filter", "true", "--state",
		"ALL")
	for _, req := range got {
		if req.GetPageSize() != 1000 || req.GetFilter() != "true" || req.GetState() != pb.ListState_LIST_STATE_ALL {
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
	var followed []*pb.StreamEventsRequest
	g := &fakeGateway{list: pages(testConnection("n.1.1"), testConnection("n.1.2"))}
	event := func(kind pb.EventType, c *pb.Connection) *pb.Event {
		return &pb.Event{Type: kind, Connection: c}
	}
	g.stream = func(req *pb.StreamEventsRequest, s eventStream) error {
		if req.GetFilter() == "" { // of CONTROL events
			<-s.Context().Done()
			return nil
		}
		followed = append(followed, req)
		switch len(followed) {
		case 1: // ends in the middle
			return s.Send(&pb.StreamEventsResponse{Cursor: "c.0@2", Events: []*pb.Event{
				event(pb.EventType_EVENT_TYPE_CONNECTED, testConnection("n.1.3")),
				event(pb.EventType_EVENT_TYPE_ERROR, nil),
			}})
		case 2: // misses something
			return s.Send(&pb.StreamEventsResponse{Cursor: "c.0@9", Events: []*pb.Event{
				{Type: pb.EventType_EVENT_TYPE_GAP, Details: &pb.Event_Gap{Gap: &pb.GapDetails{From: 3,
					To: 8, Reason: pb.GapReason_GAP_REASON_OVERRUN}}},
			}})
		default:
			return s.Send(&pb.StreamEventsResponse{Cursor: "c.0@10", Events: []*pb.Event{
				event(pb.EventType_EVENT_TYPE_CLOSED, closedConnection("n.1.2")),
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
	want := "EVENT ID STATE|PRESENT n.1.1 OPEN|PRESENT n.1.2 OPEN|CONNECTED n.1.3 OPEN|PRESENT n.1.1 OPEN|PRESENT n.1.2 " +
		"OPEN|CLOSED n.1.2 CLOSED"
	if got := strings.Join(rows, "|"); code != 0 || got != want {
		t.Errorf("exit code %d, rows %s\nwant %s", code, got, want)
	}
	run.stderr.Await(t, "events were missed (OVERRUN from=3 to=8); listing again")
	if a := followed[0].GetAfter() + followed[1].GetAfter() + followed[2].GetAfter(); a != "c.0@0c.0@2c.0@0" ||
		followed[0].GetFilter() != "true" {
		t.Errorf("followed after %s", a)
	}
}
