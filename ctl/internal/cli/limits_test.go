package cli

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/limits"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// someLimits has a value for every limit.
func someLimits() *pb.Limits {
	return &pb.Limits{
		MaxConnections: 100, HighWater: 64 << 10, LowWater: 1000, SendQueueLimit: 1 << 20,
		WriteTimeout: durationpb.New(30 * time.Second),
		IdleTimeout:  durationpb.New(90 * time.Minute), IdleAction: "close", DrainTimeout: durationpb.New(time.Second),
		EventLogSize: 65536,
		ListenerConnections: map[string]uint64{"main": 100, "games": 50,
			"[::1]:8017": 1}, ConnectionsPerIp: 20, ConnectionsPerIpv6Network: 40, AcceptRate: 2.5,
		AcceptBurst: 5, AcceptRatePerIp: 0.1, AcceptBurstPerIp: 2, ReceiveRate: 1 << 30, ReceiveMessageRate: 50,
		HandshakeTimeout: durationpb.New(1500 * time.Millisecond),
		MaxHandshakes:    1024, FirstByteTimeout: durationpb.New(time.Hour), Allow: []string{"10.0.0.0/8",
			"2001:db8::/32"}, Deny: []string{"10.1.0.0/16"}, QueueBudget: 3 << 40,
		HoldTimeout: durationpb.New(45 * time.Second), MaxHeld: 1000, AdmitTimeout: durationpb.New(5 * time.Second),
		HandlerWindow: 128 << 10, HandlerBudget: 512 << 20,
	}
}

const shownLimits = `NAME                           VALUE
max-connections                100
high-water                     64KiB
low-water                      1000B
send-queue-limit               1MiB
write-timeout                  30s
idle-timeout                   1h30m
idle-action                    close
drain-timeout                  1s
event-log-size                 65536
listener-connections           [::1]:8017=1,games=50,main=100
connections-per-ip             20
connections-per-ipv6-network   40
accept-rate                    2.5
accept-burst                   5
accept-rate-per-ip             0.1
accept-burst-per-ip            2
receive-rate                   1GiB
receive-message-rate           50
handshake-timeout              1.5s
max-handshakes                 1024
first-byte-timeout             1h
allow                          10.0.0.0/8,2001:db8::/32
deny                           10.1.0.0/16
queue-budget                   3TiB
hold-timeout                   45s
max-held                       1000
admit-timeout                  5s
handler-window                 128KiB
handler-budget                 512MiB
`

// Limits are shown by the names of flags and in units that people read; a limit that is not there is none.
func TestLimitsGet(t *testing.T) {
	g := &fakeGateway{limits: func(*pb.GetLimitsRequest) (*pb.GetLimitsResponse, error) {
		return &pb.GetLimitsResponse{Limits: someLimits()}, nil
	}}
	against(t, g).expect(t, 0, shownLimits, "", "limits", "get")
	against(t, g).expect(t, 0, "NAME              VALUE\nallow             10.0.0.0/8,2001:db8::/32\nmax-connections   "+
		"100\n", "", "limits", "get", "allow", "max_connections")
	run := against(t, g)
	if code := run.run("limits", "get", "-o", "json"); code != 0 ||
		!strings.HasPrefix(run.stdout.String(), `{"maxConnections":"100","highWater":"65536",`) {
		t.Errorf("exit code %d: %s", code, run.stdout)
	}
	run = against(t, g)
	if code := run.run("limits", "get", "-o", "json", "high-water"); code != 0 ||
		run.stdout.String() != "{\"highWater\":\"65536\"}\n" {
		t.Errorf("exit code %d: %s; expected the one that was named", code, run.stdout)
	}
	g.limits = func(*pb.GetLimitsRequest) (*pb.GetLimitsResponse, error) {
		return &pb.GetLimitsResponse{Limits: &pb.Limits{IdleTimeout: durationpb.New(0)}}, nil
	}
	against(t, g).expect(t, 0, "NAME                   VALUE\nmax-connections        none\nidle-timeout           "+
		"none\nallow                  all\ndeny                   none\nlistener-connections   none\nhold-timeout           0s\n"+
		"max-held               none\n", "",
		"limits", "get", "max-connections", "idle-timeout", "allow", "deny", "listener-connections", "hold-timeout",
		"max-held")
}

// Only the named limits are changed, and their new values shown.
func TestLimitsSet(t *testing.T) {
	var got *pb.UpdateLimitsRequest
	g := &fakeGateway{update: func(req *pb.UpdateLimitsRequest) (*pb.UpdateLimitsResponse, error) {
		got = req
		l := someLimits()
		l.MaxConnections, l.Deny = 7, nil
		return &pb.UpdateLimitsResponse{Limits: l}, nil
	}}
	against(t, g).expect(t, 0,
		"NAME              VALUE\nmax-connections   7\ndeny              none\nidle-timeout      1h30m\n", "",
		"limits", "set", "max-connections=7", "deny=", "idle_timeout=none")
	if code := against(t, g).run("limits", "set", "max-connections-per-ip=3"); code != 0 ||
		got.GetLimits().GetConnectionsPerIp() != 3 {
		t.Errorf("exit code %d, request %v; expected the flag's name to do as well", code, got)
	}
	against(t, g).run("limits", "set", "max-connections=7", "deny=", "idle_timeout=none")
	want := &pb.Limits{MaxConnections: 7, IdleTimeout: durationpb.New(0)}
	if fmt.Sprint(got.GetUpdateMask().GetPaths()) != "[max_connections deny idle_timeout]" ||
		!proto.Equal(got.GetLimits(), want) {
		t.Errorf("request %v", got)
	}
	run := against(t, g)
	words := "limits set receive-rate=64KiB allow=10.1.2.3/8,192.168.0.1,2001:db8::1 listener-connections=a=1,b=2 " +
		"accept-rate=2.5 queue-budget=2g"
	if code := run.run(strings.Fields(words)...); code != 0 {
		t.Fatalf("exit code %d: %s", code, run.stderr)
	}
	want = &pb.Limits{ReceiveRate: 65536, Allow: []string{"10.0.0.0/8", "192.168.0.1/32", "2001:db8::1/128"},
		ListenerConnections: map[string]uint64{"a": 1, "b": 2}, AcceptRate: 2.5, QueueBudget: 2 << 30}
	if !proto.Equal(got.GetLimits(), want) {
		t.Errorf("request %v", got)
	}
}

// A wrong name or value is refused by itself, and nothing is sent.
func TestLimitsUsage(t *testing.T) {
	for words, want := range map[string]string{
		"limits":                                       "one of get, set",
		"limits set":                                   "at least one NAME=VALUE",
		"limits set max-connections":                   "has no value",
		"limits set max-conns=1":                       `"max-conns" is not a limit; use one of max-connections, high-water,`,
		"limits get max-accept-rate":                   `"max-accept-rate" is not a limit`,
		"limits get nope":                              `"nope" is not a limit`,
		"limits set low-water=1":                       "cannot be changed while the gateway runs",
		"limits set event-log-size=1":                  "cannot be changed while the gateway runs",
		"limits set deny= deny=":                       "given twice",
		"limits set max-connections=-1":                "expected a whole number",
		"limits set max-connections=9e9":               "expected a whole number",
		"limits set receive-rate=64XB":                 "is not a number of bytes",
		"limits set receive-rate=9223372036854775807G": "is not a number of bytes",
		"limits set idle-timeout=5":                    "expected a duration",
		"limits set idle-timeout=-5s":                  "expected a duration",
		"limits set accept-rate=NaN":                   "expected a number a second",
		"limits set accept-rate=-1":                    "expected a number a second",
		"limits set accept-rate=Inf":                   "expected a number a second",
		"limits set hold-timeout=none":                 "hold-timeout=none is not possible",
		"limits set allow=10.0.0.0/33":                 "neither a network",
		"limits set allow=fe80::1%eth0":                "neither a network",
		"limits set listener-connections=games":        "LISTENER=COUNT",
		"limits set listener-connections=a=1,a=2":      "twice",
	} {
		run := against(t, &fakeGateway{})
		if code := run.run(strings.Fields(words)...); code != app.ExitUsage || !strings.Contains(run.stderr.String(), want) {
			t.Errorf("ctl %s: exit code %d: %s", words, code, run.stderr)
		}
	}
}

// The names are offered, and those that take a value without a space behind them.
func TestLimitsCompletion(t *testing.T) {
	for words, want := range map[string]string{
		"limits get accept-b":               "accept-burst\naccept-burst-per-ip\n:4\n",
		"limits set accept-rate=1 accept-r": "accept-rate-per-ip=\n:6\n",
		"limits set low":                    ":4\n",
	} {
		run := against(t, &fakeGateway{})
		if run.run(append([]string{"__complete"}, strings.Fields(words)...)...); run.stdout.String() != want {
			t.Errorf("%s completes to %q, want %q", words, run.stdout, want)
		}
	}
}

// The tests above know every limit of the contract.
func TestEveryLimitIsKnown(t *testing.T) {
	if n := len(limits.Fields()); n != strings.Count(shownLimits, "\n")-1 {
		t.Errorf("%d limits; the table of this test has others: give a new one its unit", n)
	}
}
