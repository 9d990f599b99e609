package cli

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// controlEvent is a CONTROL event with these details.
func controlEvent(d *pb.ControlDetails) *pb.Event {
	return &pb.Event{Time: timestamppb.New(testNow()), Type: pb.EventType_EVENT_TYPE_CONTROL,
		Details: &pb.Event_Control{Control: d}}
}

// A line of an audit has the caller, the verb, the proof and the source; of a caller without proof, only the address. A
// foreign text cannot be taken for more than one field.
func TestControlLines(t *testing.T) {
	tests := []struct {
		details *pb.ControlDetails
		format  string
		want    string
	}{
		{&pb.ControlDetails{Verb: "UpdateLimits", Actor: "ci", Proof: "token", Role: "ADMIN",
			SourceAddress: "192.0.2.1:5",
			Changes:       map[string]string{"max_connections": "100", "allow": "10.0.0.0/8, ::1/128"}}, "table",
			`UpdateLimits by=ci proof=token role=ADMIN from=192.0.2.1:5 allow="10.0.0.0/8, ::1/128" max-connections="100"`},
		{&pb.ControlDetails{Verb: "AddBan", Actor: "spiffe://a/b", Proof: "certificate", Role: "OPERATOR",
			SourceAddress: "192.0.2.1:5", Ban: "203.0.113.7/32",
			Reason: "spam", Matched: 2, Outcomes: map[string]uint64{"KICKED": 2}}, "table",
			`AddBan by=spiffe://a/b proof=certificate role=OPERATOR from=192.0.2.1:5 ban=203.0.113.7/32 matched=2 KICKED=2 reason="spam"`},
		{&pb.ControlDetails{Verb: "RemoveBan", Actor: "uid:1000", Proof: "unix", Role: "ADMIN", Ban: "a\x1b"},
			"table",
			`RemoveBan by=uid:1000 proof=unix role=ADMIN ban=a\x1b`},
		{&pb.ControlDetails{Verb: "Kick", Actor: "127.0.0.1:5", Proof: "none", Role: "ADMIN",
			SourceAddress: "127.0.0.1:5", Ban: "10m"}, "table",
			`Kick by=127.0.0.1:5 ban=10m matched=0`},
		{&pb.ControlDetails{Verb: "Kick", Actor: "127.0.0.1:5", Proof: "none", Role: "ADMIN",
			SourceAddress: "127.0.0.1:5", Ban: "10m"}, "wide",
			`Kick by=127.0.0.1:5 proof=none role=ADMIN from=127.0.0.1:5 ban=10m matched=0`},
		{&pb.ControlDetails{Verb: "AddBan", Actor: "ann role=ADMIN", Proof: "certificate", Role: "OPERATOR",
			Ban: `x by="root"`, RequestId: "1 matched=9"},
			"table", `AddBan by="ann role=ADMIN" proof=certificate role=OPERATOR ban="x by=\"root\"" request-id="1 matched=9"`},
		{&pb.ControlDetails{Verb: "Shutdown", Actor: "SIGTERM"}, "table", `Shutdown by=SIGTERM matched=0`},
	}
	for _, tt := range tests {
		run := against(t, serveEvents(controlEvent(tt.details)))
		if code := run.run("events", "-o", tt.format); code != app.ExitDone ||
			!strings.HasSuffix(run.stdout.String(), "  -  "+tt.want+"\n") {
			t.Errorf("exit code %d: got  %swant %s", code, run.stdout, tt.want)
		}
	}
}

// A peer's identity, TLS and proxy are shown when it connects, and in wide lists.
func TestPeerIsShown(t *testing.T) {
	c := testConnection("n.1.1")
	c.TlsVersion, c.TlsCipher, c.TlsProtocol, c.TlsServerName = "TLS 1.3", "TLS_AES_128_GCM_SHA256", "mqtt",
		"gw.example.org"
	c.PeerIdentity, c.ProxyAddress = "spiffe://a/b", "10.0.0.2:4242"
	want := " tls=TLS1.3 identity=spiffe://a/b proxy=10.0.0.2:4242"
	for _, eventType := range []pb.EventType{pb.EventType_EVENT_TYPE_CONNECTED,
		pb.EventType_EVENT_TYPE_PRESENT} {
		run := against(t, serveEvents(&pb.Event{Time: ago(0), Type: eventType, Connection: c}))
		if code := run.run("events"); code != app.ExitDone || !strings.HasSuffix(run.stdout.String(), want+"\n") {
			t.Errorf("exit code %d: %s", code, run.stdout)
		}
	}
	c.HandlerInstance, c.UnacknowledgedBytes = "pod-7", 65536
	g := &fakeGateway{list: pages(c), get: func(*pb.GetConnectionRequest) (*pb.GetConnectionResponse,
		error) {
		return &pb.GetConnectionResponse{Connection: c}, nil
	}}
	for _, words := range []string{"list -o wide", "get n.1.1 -o wide"} {
		run := against(t, g)
		run.run(strings.Fields(words)...)
		header, row, _ := strings.Cut(run.stdout.String(), "\n")
		if !strings.HasSuffix(header,
			"PAUSED   IDENTITY       TLS       CIPHER                   ALPN   SNI              PROXY           INSTANCE   UNACKNOWLEDGED") ||
			!strings.HasSuffix(row,
				"false    spiffe://a/b   TLS 1.3   TLS_AES_128_GCM_SHA256   mqtt   gw.example.org   10.0.0.2:4242   pod-7      64KiB\n") {
			t.Errorf("ctl %s:\n%s", words, run.stdout)
		}
	}
}

// The instance that owns a connection, and the bytes that it owes, are shown where they explain the event.
func TestOwnerIsShown(t *testing.T) {
	open, closed := testConnection("n.1.1"), closedConnection("n.1.1")
	for _, c := range []*pb.Connection{open, closed} {
		c.HandlerInstance, c.UnacknowledgedBytes = "pod-7 by=root", 65536
	}
	const owner = ` instance="pod-7 by=root" unacknowledged=64KiB`
	for want, e := range map[string]*pb.Event{
		"OPEN" + owner: {Type: pb.EventType_EVENT_TYPE_PRESENT, Connection: open},
		"paused= queued=0B cause=HANDLER" + owner: {Type: pb.EventType_EVENT_TYPE_BACKPRESSURE_ON, Connection: open,
			Details: &pb.Event_Backpressure{Backpressure: &pb.BackpressureDetails{
				Cause: pb.BackpressureCause_BACKPRESSURE_CAUSE_HANDLER}}},
		"HANDLER_FAILED received=1.5KiB sent=20B lifetime= connections=0" + owner + ` text="spam" by=127.0.0.1:1`: {
			Type: pb.EventType_EVENT_TYPE_CLOSED, Connection: closed, Details: &pb.Event_Closed{
				Closed: &pb.ClosedDetails{Reason: pb.CloseReason_CLOSE_REASON_HANDLER_FAILED}}},
	} {
		e.Time = ago(0)
		run := against(t, serveEvents(e))
		if code := run.run("events"); code != app.ExitDone || !strings.HasSuffix(run.stdout.String(), "  "+want+"\n") {
			t.Errorf("exit code %d: got  %swant %s", code, run.stdout, want)
		}
	}
}

// An identity that is known to have no role is shown as such.
func TestCallerText(t *testing.T) {
	for want, c := range map[string]*pb.Caller{
		"":                                    nil,
		"127.0.0.1:5, not proven, role admin": {Identity: "127.0.0.1:5", Proof: "none", Role: pb.Role_ROLE_ADMIN},
		"spiffe://a, proven by certificate, role none": {Identity: "spiffe://a", Proof: "certificate"},
		"uid:1000, proven by unix, role viewer": {Identity: "uid:1000", Proof: "unix",
			Role: pb.Role_ROLE_VIEWER},
	} {
		if got := callerText(c); got != want {
			t.Errorf("%s: got %q, want %q", fmt.Sprint(c), got, want)
		}
	}
}
