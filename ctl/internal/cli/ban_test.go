package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The target of a ban is a network or an identity, and ctl does not guess.
func TestBanAdd(t *testing.T) {
	tests := []struct {
		words    string
		target   string
		identity bool
		duration time.Duration
	}{
		{"203.0.113.7 --for 10m", "203.0.113.7", false, 10 * time.Minute},
		{"2001:db8::/32", "2001:db8::/32", false, 0},
		{"spiffe://example.org/device/7", "spiffe://example.org/device/7", true, 0},
		{"device-7 --identity", "device-7", true, 0},
		{"203.0.113.7 --identity", "203.0.113.7", true, 0},
	}
	for _, tt := range tests {
		var got *pb.AddBanRequest
		g := &fakeGateway{addBan: func(req *pb.AddBanRequest) (*pb.AddBanResponse, error) {
			got = req
			return &pb.AddBanResponse{Ban: &pb.Ban{Target: req.GetTarget() + "!",
				ExpiresAt: ago(-10 * time.Minute)}, Closed: 3, Durable: true}, nil
		}}
		run := against(t, g)
		if code := run.run(strings.Fields("ban add --reason spam " + tt.words)...); code != app.ExitDone ||
			run.stderr.String() != "" {
			t.Errorf("%s: exit code %d: %s", tt.words, code, run.stderr)
		}
		if got.GetTarget() != tt.target || got.GetIdentity() != tt.identity ||
			got.GetDuration().AsDuration() != tt.duration || got.GetReason() != "spam" {
			t.Errorf("%s: request %v", tt.words, got)
		}
		if out := run.stdout.String(); !strings.HasPrefix(out, "TARGET") || !strings.Contains(out, tt.target+"!") ||
			!strings.Contains(out, "2026-03-04T10:41:02.123Z   3        false\n") {
			t.Errorf("%s: stdout:\n%s", tt.words, out)
		}
	}
}

// ctl warns of a ban that a restart would forget.
func TestBanThatIsNotDurable(t *testing.T) {
	g := &fakeGateway{addBan: func(req *pb.AddBanRequest) (*pb.AddBanResponse, error) {
		return &pb.AddBanResponse{Ban: &pb.Ban{Target: "192.0.2.1/32"},
			Replaced: !req.GetKeepConnections()}, nil
	}}
	note := "ctl: the ban ends with the gateway's process; to keep bans, give the gateway --state-dir\n"
	against(t, g).expect(t, 0, "TARGET         EXPIRES   CLOSED   REPLACED\n192.0.2.1/32   never     0        false\n",
		note, "ban", "add", "192.0.2.1", "--keep")
	against(t, g).expect(t, 0, "192.0.2.1/32\n", note, "ban", "add", "192.0.2.1", "-o", "name")
}

// ctl warns of changes that are in force and not kept, and they have succeeded all the same.
func TestBanThatIsNotKept(t *testing.T) {
	full := proto.String("ban file b: no space left on device")
	ban := &pb.Ban{Target: "192.0.2.1/32", NotKeptReason: full}
	g := &fakeGateway{
		addBan:    func(*pb.AddBanRequest) (*pb.AddBanResponse, error) { return &pb.AddBanResponse{Ban: ban}, nil },
		removeBan: func(*pb.RemoveBanRequest) (*pb.RemoveBanResponse, error) { return &pb.RemoveBanResponse{Ban: ban}, nil },
		listBans: func(*pb.ListBansRequest) (*pb.ListBansResponse, error) {
			return &pb.ListBansResponse{Bans: []*pb.Ban{ban, {Target: "192.0.2.2/32"}}}, nil
		},
		kick: func(*pb.KickRequest) (*pb.KickResponse, error) {
			resp := kickOutcomes(pb.Outcome_OUTCOME_KICKED)
			resp.NotKeptReason = full
			return resp, nil
		},
	}
	for words, want := range map[string]string{
		"ban add 192.0.2.1":    "the ban is in force but not kept",
		"ban remove 192.0.2.1": "would bring it back",
		"ban list":             "1 ban in force but not kept",
		"kick n.1.1 --ban 10m": "these bans are in force but not kept",
	} {
		run := against(t, g)
		if code := run.run(strings.Fields(words)...); code != app.ExitDone ||
			!strings.Contains(run.stderr.String(), want) || !strings.Contains(run.stderr.String(), "no space left") ||
			strings.Contains(run.stderr.String(), "--state-dir") {
			t.Errorf("ctl %s: exit code %d: %s", words, code, run.stderr)
		}
	}
}

// bannedPages serves two pages of bans.
func bannedPages() *fakeGateway {
	return &fakeGateway{listBans: func(req *pb.ListBansRequest) (*pb.ListBansResponse, error) {
		if req.GetPageToken() == "" {
			return &pb.ListBansResponse{NextPageToken: "2", TotalSize: 2, Bans: []*pb.Ban{
				{Target: "203.0.113.7/32", Reason: "spam", CreatedBy: "ci", CreatedAt: ago(time.Minute),
					ExpiresAt: ago(-time.Minute), Refused: 12}}}, nil
		}
		return &pb.ListBansResponse{TotalSize: 2, Bans: []*pb.Ban{{Target: "spiffe://a/b", Identity: true,
			CreatedBy: "\x1b", CreatedAt: ago(0)}}}, nil
	}}
}

// All pages are listed, in every format.
func TestBanList(t *testing.T) {
	formats := map[string]string{
		"table": "TARGET           EXPIRES                    REASON   BY   REFUSED\n203.0.113.7/32   " +
			"2026-03-04T10:32:02.123Z   spam     ci   12\n" +
			"spiffe://a/b     never                      -        \\x1b   0\n",
		"wide": "TARGET           EXPIRES                    REASON   BY   REFUSED   IDENTITY   CREATED\n" +
			"203.0.113.7/32   2026-03-04T10:32:02.123Z   spam     ci   12        false      2026-03-04T10:30:02.123Z\n" +
			"spiffe://a/b     never                      -        \\x1b   0         true       2026-03-04T10:31:02.123Z\n",
		"name": "203.0.113.7/32\nspiffe://a/b\n",
		"json": `{"target":"203.0.113.7/32","identity":false,"reason":"spam","createdBy":"ci","createdAt":"2026-03-04T10:30:02.123Z","expiresAt":"2026-03-04T10:32:02.123Z","refused":"12","node":""}` + "\n" +
			`{"target":"spiffe://a/b","identity":true,"reason":"","createdBy":"\u001b","createdAt":"2026-03-04T10:31:02.123Z","refused":"0","node":""}` + "\n",
	}
	for format, want := range formats {
		against(t, bannedPages()).expect(t, app.ExitDone, want, "", "ban", "list", "-o", format)
	}
	run := against(t, bannedPages())
	if run.run("__complete", "ban", "remove", "2"); run.stdout.String() != "203.0.113.7/32\tspam\n:4\n" {
		t.Errorf("completes to %q", run.stdout)
	}
}

// Removing shows the removed ban; a target that is not banned is not found.
func TestBanRemove(t *testing.T) {
	g := &fakeGateway{removeBan: func(req *pb.RemoveBanRequest) (*pb.RemoveBanResponse, error) {
		if req.GetIdentity() {
			return nil, failure(codes.NotFound, fmt.Sprintf("%q is not banned", req.GetTarget()), "BAN_NOT_FOUND", nil)
		}
		return &pb.RemoveBanResponse{Ban: &pb.Ban{Target: "192.0.2.1/32", Refused: 2}}, nil
	}}
	against(t, g).expect(t, 0,
		"TARGET         EXPIRES   REASON   BY   REFUSED\n192.0.2.1/32   never     -        -    2\n", "", "ban", "remove",
		"192.0.2.1")
	against(t, g).expect(t, app.ExitNotFound, "", "ctl: \"spiffe://a\" is not banned (BAN_NOT_FOUND)\n", "ban", "remove",
		"spiffe://a")
}

// A target that is neither address nor identity is refused with a question, and nothing is done.
func TestBanUsage(t *testing.T) {
	for words, want := range map[string]string{
		"ban":                            "one of add, list, remove",
		"ban add":                        "one TARGET",
		"ban add 203.0.113.0/33":         "if it is an identity, say so with --identity",
		"ban add device-7":               "if it is an identity, say so with --identity",
		"ban remove device-7":            "if it is an identity, say so with --identity",
		"ban add 192.0.2.1 --for 0s":     "more than 0",
		"ban add 192.0.2.1 --for -1s":    "more than 0",
		"ban add 192.0.2.1 --for 87601h": "up to 10 years",
		"ban add 192.0.2.1 --reason " + strings.Repeat("x", 257): "the limit is 256",
		"kick n.1.1 --ban -1s": "--ban -1s",
	} {
		run := against(t, &fakeGateway{})
		if code := run.run(strings.Fields(words)...); code != app.ExitUsage || !strings.Contains(run.stderr.String(), want) {
			t.Errorf("ctl %s: exit code %d: %s", words, code, run.stderr)
		}
	}
}

// A kick that bans names the banned targets.
func TestKickBans(t *testing.T) {
	var got *pb.KickRequest
	g := &fakeGateway{kick: func(req *pb.KickRequest) (*pb.KickResponse, error) {
		got = req
		resp := kickOutcomes(pb.Outcome_OUTCOME_KICKED)
		resp.Banned = []string{"203.0.113.7/32", "spiffe://a"}
		return resp, nil
	}}
	against(t, g).expect(t, 0, "n.1.1\n", "ctl: banned for 10m: 203.0.113.7/32, spiffe://a\n", "kick", "n.1.1", "--ban",
		"10m", "-o", "name")
	if got.GetBanDuration().AsDuration() != 10*time.Minute {
		t.Errorf("request %v", got)
	}
}
