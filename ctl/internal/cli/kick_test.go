package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func kickOutcomes(outcomes ...pb.Outcome) *pb.KickResponse {
	resp := &pb.KickResponse{Matched: uint64(len(outcomes))}
	for i, o := range outcomes {
		target := &pb.TargetOutcome{Id: fmt.Sprintf("n.1.%d", i+1), Outcome: o}
		resp.Outcomes = append(resp.Outcomes, target)
		switch o {
		case pb.Outcome_OUTCOME_CLOSED:
			resp.Closed++
		case pb.Outcome_OUTCOME_KICKED, pb.Outcome_OUTCOME_WOULD_KICK:
			resp.Kicked++
		case pb.Outcome_OUTCOME_KICKED_UNFLUSHED:
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
		kicked   = pb.Outcome_OUTCOME_KICKED
		missing  = pb.Outcome_OUTCOME_NOT_FOUND
		closed   = pb.Outcome_OUTCOME_CLOSED
		lossy    = pb.Outcome_OUTCOME_KICKED_UNFLUSHED
		badID    = pb.Outcome_OUTCOME_MALFORMED_ID
		notFound = ": no such connection\n"
	)
	tests := []struct {
		outcomes []pb.Outcome
		format   string
		code     int
		stdout   string
		stderr   string
	}{
		{[]pb.Outcome{kicked, lossy}, "table", 0,
			"ID      OUTCOME            UNSENT\nn.1.1   KICKED             0B\nn.1.2   KICKED_UNFLUSHED   9B\n",
			"ctl: n.1.2: kicked before all queued bytes were taken (9 bytes were not sent)\n"},
		{[]pb.Outcome{kicked}, "json", 0,
			`{"outcomes":[{"id":"n.1.1","outcome":"OUTCOME_KICKED","unsentBytes":"0"}],"matched":"1","kicked":"1","closed":"0","notFound":"0","banned":[]}` + "\n", ""},
		{[]pb.Outcome{kicked}, "yaml", 0, "---\noutcomes:\n  - id: n.1.1\n    outcome: OUTCOME_KICKED\n    " +
			"unsentBytes: \"0\"\nmatched: \"1\"\nkicked: \"1\"\nclosed: \"0\"\nnotFound: \"0\"\nbanned: []\n", ""},
		{[]pb.Outcome{kicked, missing}, "name", 3, "n.1.1\n", "ctl: n.1.2" + notFound +
			"ctl: 2 matched: 1 kicked, 1 not found\n"},
		{[]pb.Outcome{kicked, closed}, "name", 3, "n.1.1\n",
			"ctl: n.1.2: the connection is closed or closing\nctl: 2 matched: 1 kicked, 1 already closed\n"},
		{[]pb.Outcome{missing}, "name", 4, "", "ctl: n.1.1" + notFound},
		{[]pb.Outcome{missing, missing}, "name", 4, "", "ctl: n.1.1" + notFound + "ctl: n.1.2" + notFound +
			"ctl: 2 matched: 2 not found\n"},
		{[]pb.Outcome{closed}, "name", 1, "", "ctl: n.1.1: the connection is closed or closing\n"},
		{[]pb.Outcome{badID}, "name", 2, "",
			"ctl: \"n.1.1\" is not a connection ID; expected node.incarnation.seq, for example edge-1.19ab0d3f1c2.42\n"},
	}
	for _, tt := range tests {
		var got *pb.KickRequest
		g := &fakeGateway{kick: func(req *pb.KickRequest) (*pb.KickResponse, error) {
			got = req
			return kickOutcomes(tt.outcomes...), nil
		}}
		against(t, g).expect(t, tt.code, tt.stdout, tt.stderr, "kick", "n.1.1", "n.1.2", "--reason", "spam", "--farewell",
			"bye", "--flush-timeout", "3s", "-o", tt.format)
		if got.GetReason() != "spam" || string(got.GetFarewell()) != "bye" ||
			got.GetFlushTimeout().AsDuration() != 3*time.Second || got.GetValidateOnly() || got.GetFilter() != "" {
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
		{"yes", "--yes", false, "", 2, 0, "[false]", "MATCHED   KICKED   CLOSED   NOT-FOUND\n2         2        0        0\n",
			""},
		{"asked, yes", "-o name", true, "y\n", 2, 0, "[true false]", "", "Kick 2 connections? [y/N] "},
		{"asked, one", "-o name", true, "YES\n", 1, 0, "[true false]", "", "Kick 1 connection? [y/N] "},
		{"asked, no", "-o name", true, "n\n", 2, 1, "[true]", "",
			"Kick 2 connections? [y/N] ctl: not confirmed; nothing was done\n"},
		{"asked, return", "", true, "\n", 2, 1, "[true]", "",
			"Kick 2 connections? [y/N] ctl: not confirmed; nothing was done\n"},
		{"asked, end of input", "", true, "", 2, 1, "[true]", "",
			"Kick 2 connections? [y/N] ctl: not confirmed; nothing was done\n"},
		{"nothing to ask about", "", true, "", 0, 0, "[true]", "", "ctl: no connection matches\n"},
		{"nobody to ask", "", false, "y\n", 2, 2, "[]", "", "ctl: stdin is not a terminal, so nobody can be asked to " +
			"confirm; pass --yes to go ahead\nRun 'ctl kick --help' for usage.\n"},
		{"dry run", "--dry-run", false, "", 2, 0, "[true]", "ID      OUTCOME      UNSENT\nn.1.1   WOULD_KICK   0B\nn.1.2   " +
			"WOULD_KICK   0B\n", "ctl: 2 matched: 2 would be kicked\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			calls := []bool{}
			g := &fakeGateway{kick: func(req *pb.KickRequest) (*pb.KickResponse, error) {
				calls = append(calls, req.GetValidateOnly())
				resp := &pb.KickResponse{Matched: uint64(tt.matched), Kicked: uint64(tt.matched)}
				for i := 0; req.GetValidateOnly() && i < tt.matched; i++ {
					resp.Outcomes = append(resp.Outcomes, &pb.TargetOutcome{Id: fmt.Sprintf("n.1.%d", i+1),
						Outcome: pb.Outcome_OUTCOME_WOULD_KICK})
				}
				return resp, nil
			}}
			run := against(t, g)
			run.terminal, run.stdin, run.variables = tt.terminal, strings.NewReader(tt.stdin), map[string]string{"NO_COLOR": "1"}
			run.expect(t, tt.code, tt.stdout, tt.stderr, append([]string{"kick", "--filter", "true"},
				strings.Fields(tt.args)...)...)
			if fmt.Sprint(calls) != tt.calls {
				t.Errorf("validate_only %v, want %s", calls, tt.calls)
			}
		})
	}
}

func TestKickDryRunOfMany(t *testing.T) {
	g := &fakeGateway{kick: func(*pb.KickRequest) (*pb.KickResponse, error) {
		resp := kickOutcomes(make([]pb.Outcome, 100)...)
		for _, o := range resp.Outcomes {
			o.Outcome = pb.Outcome_OUTCOME_WOULD_KICK
		}
		resp.Matched, resp.Kicked, resp.NotFound = 250, 250, 0
		return resp, nil
	}}
	run := against(t, g)
	run.expect(t, 0, numbered(1, 100), "ctl: 250 matched: 250 would be kicked (the first 100 are shown)\n", "kick",
		"--filter", "true", "--dry-run", "-o", "name")
}

func TestPromptIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	stdin, typing := io.Pipe()
	defer typing.Close()
	run := against(t, &fakeGateway{})
	run.ctx, run.terminal, run.stdin = ctx, true, stdin
	go func() {
		run.stderr.Await(t, "[y/N]")
		cancel()
	}()
	run.expect(t, app.ExitFailed, "", "Shut the gateway at GATEWAY down? [y/N] \nctl: not confirmed; nothing was done\n",
		"shutdown")
}
