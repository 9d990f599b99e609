package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func TestSend(t *testing.T) {
	tests := []struct {
		outcome pb.Outcome
		args    string
		code    int
		stdout  string
		stderr  string
	}{
		{pb.Outcome_OUTCOME_WRITTEN, "", 0, "ID      OUTCOME   QUEUED   UNSENT\nn.1.1   WRITTEN   5B       3B\n", ""},
		{pb.Outcome_OUTCOME_WRITTEN, "-o json", 0,
			`{"outcome":"OUTCOME_WRITTEN","queuedBytes":"5","unsentBytes":"3"}` + "\n", ""},
		{pb.Outcome_OUTCOME_WRITTEN, "-o yaml", 0,
			"---\noutcome: OUTCOME_WRITTEN\nqueuedBytes: \"5\"\nunsentBytes: \"3\"\n", ""},
		{pb.Outcome_OUTCOME_QUEUED, "-o name", 0, "n.1.1\n", ""},
		{pb.Outcome_OUTCOME_QUEUED, "-o name --wait written", 3, "n.1.1\n",
			"ctl: n.1.1: not written in time; the bytes stay queued, in order (5 bytes in the queue)\n"},
		{pb.Outcome_OUTCOME_DROPPED_QUEUE_FULL, "-o name", 1, "",
			"ctl: n.1.1: dropped whole, because its send queue is full\n"},
		{pb.Outcome_OUTCOME_CLOSED, "-o name", 1, "",
			"ctl: n.1.1: the connection is closed; 3 of 2 bytes were not sent\n"},
		{pb.Outcome_OUTCOME_NOT_FOUND, "-o name", 4, "", "ctl: n.1.1: no such connection\n"},
		{pb.Outcome_OUTCOME_NODE_RESTARTED, "-o name", 4, "",
			"ctl: n.1.1: that connection ended when the node restarted\n"},
		{pb.Outcome_OUTCOME_UNKNOWN_NODE, "-o name", 4, "", "ctl: n.1.1: no node of that name here\n"},
		{pb.Outcome_OUTCOME_UNKNOWN, "-o name", 1, "", "ctl: n.1.1: what happened cannot be known\n"},
	}
	for _, tt := range tests {
		g := &fakeGateway{send: func(*pb.SendRequest) (*pb.SendResponse, error) {
			return &pb.SendResponse{Outcome: tt.outcome, QueuedBytes: 5, UnsentBytes: 3}, nil
		}}
		against(t, g).expect(t, tt.code, tt.stdout, tt.stderr, append([]string{"send", "n.1.1", "hi"},
			strings.Fields(tt.args)...)...)
	}
}

func TestSendPayloads(t *testing.T) {
	var got *pb.SendRequest
	g := &fakeGateway{send: func(req *pb.SendRequest) (*pb.SendResponse, error) {
		got = req
		return &pb.SendResponse{Outcome: pb.Outcome_OUTCOME_WRITTEN}, nil
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
		if code := run.run(append([]string{"send", "n.1.1"}, strings.Fields(tt.args)...)...); code != 0 ||
			string(got.GetData()) != tt.want {
			t.Errorf("%s: exit code %d, %d bytes sent: %s", tt.args, code, len(got.GetData()), run.stderr)
		}
	}
	if got.GetWait() != pb.SendWait_SEND_WAIT_WRITTEN || got.GetWaitTimeout().AsDuration() != 2*time.Second {
		t.Errorf("wait: %v %v", got.GetWait(), got.GetWaitTimeout())
	}
	for _, encoding := range []string{"utf8", "hex"} {
		run := against(t, g)
		run.stdin = ctltest.Endless{}
		if code := run.run("send", "n.1.1", "-", "--encoding", encoding); code != app.ExitUsage {
			t.Errorf("endless stdin in %s: exit code %d", encoding, code)
		}
		run.stderr.Await(t, "1048576 bytes (1MiB)")
	}
}
