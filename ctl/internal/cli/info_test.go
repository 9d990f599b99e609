package cli

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const infoWant = `Gateway
  node           edge-1
  incarnation    19ab0d3f1c2
  version        v1.2.3
  engine         epoll
  started        2026-03-04T10:27:50.123Z
  uptime         3m12s
  cursor         edge-1.19ab0d3f1c2@99
  oldest event   1
  draining       no
  memory         12MiB resident, 3MiB heap
  goroutines     17
  caller         ci, proven by token, role operator

Listeners
  game           127.0.0.1:8017 echo open, 2 connections, TLS, client certificates require, PROXY optional
  main           127.0.0.1:8027 echo closed, 1 connection, frames length:2,offset=4 of at most 64KiB

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
  hold timeout         30s
  admit timeout        10s
  handler window       64KiB
  handler budget       512MiB

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
  handler pauses 8
  held           4
  unacknowledged 3KiB
  event streams  1
  events missed  0
`

func TestInfo(t *testing.T) {
	g := &fakeGateway{gateway: func() (*pb.GetGatewayResponse, error) {
		return &pb.GetGatewayResponse{
			Node: "edge-1", Incarnation: "19ab0d3f1c2", Version: "v1.2.3", StartedAt: ago(192 * time.Second), Engine: "epoll",
			Uptime: durationpb.New(192 * time.Second), Cursor: "edge-1.19ab0d3f1c2@99", OldestSequence: 1,
			Process: &pb.Process{ResidentBytes: 12 << 20, HeapBytes: 3 << 20, Goroutines: 17},
			Listeners: []*pb.Listener{{Name: "game", Address: "127.0.0.1:8017", Handler: "echo", Open: true,
				Connections: 2, Tls: true, ClientAuth: "require", ProxyProtocol: "optional", Framing: "raw"},
				{Name: "main", Address: "127.0.0.1:8027", Handler: "echo", Connections: 1, ProxyProtocol: "off",
					Framing: "length:2,offset=4", MaxFrameBytes: 64 << 10}},
			Caller: &pb.Caller{Identity: "ci", Proof: "token", Role: pb.Role_ROLE_OPERATOR},
			Limits: &pb.Limits{
				HighWater: 64 << 10, LowWater: 16 << 10, SendQueueLimit: 1 << 20, WriteTimeout: durationpb.New(30 * time.Second),
				IdleTimeout: durationpb.New(500 * time.Millisecond), IdleAction: "notify",
				DrainTimeout: durationpb.New(30 * time.Second), EventLogSize: 65536,
				ListenerConnections: map[string]uint64{"main": 100,
					"games": 50}, ConnectionsPerIp: 20, AcceptRate: 2.5, AcceptBurst: 5,
				ReceiveRate: 64 << 10, HandshakeTimeout: durationpb.New(10 * time.Second), MaxHandshakes: 1024,
				FirstByteTimeout: durationpb.New(0),
				Allow:            []string{"10.0.0.0/8", "2001:db8::/32"}, QueueBudget: 1 << 30,
				HoldTimeout: durationpb.New(30 * time.Second), AdmitTimeout: durationpb.New(10 * time.Second),
				HandlerWindow: 64 << 10, HandlerBudget: 512 << 20,
			},
			Totals: &pb.Totals{Connections: 2, Accepted: 7, Closed: map[string]uint64{"PEER_CLOSED": 4, "KICKED": 1},
				BytesReceived: 1536, EventStreams: 1,
				Refused: 14, Refusals: map[string]uint64{"IP_LIMIT": 12, "BANNED": 2}, Pending: 3, QueuedBytes: 2048, RatePauses: 6,
				HandlerPauses: 8, Held: 4, UnacknowledgedBytes: 3072,
				DeniedCalls: map[string]uint64{"ROLE_REQUIRED": 2}},
		}, nil
	}}
	against(t, g).expect(t, 0, infoWant, "", "info")
	against(t, g).expect(t, 0, "edge-1\n", "", "info", "-o", "name")
	for _, tt := range []struct {
		process *pb.Process
		want    string
	}{{nil, ""}, {&pb.Process{HeapBytes: 1024}, "1KiB heap"}} {
		if got := memoryText(tt.process); got != tt.want {
			t.Errorf("memory of %v: %q, want %q", tt.process, got, tt.want)
		}
	}
	run := against(t, g)
	if code := run.run("info", "-o", "json"); code != 0 || !strings.HasPrefix(run.stdout.String(),
		`{"node":"edge-1","incarnation":"19ab0d3f1c2","version":"v1.2.3",`) {
		t.Errorf("exit code %d: %s", code, run.stdout)
	}
	run = against(t, g)
	if code := run.run("info", "-o", "yaml"); code != 0 || !strings.Contains(run.stdout.String(),
		"closed:\n    KICKED: \"1\"\n    PEER_CLOSED: \"4\"\n") {
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
	run.stderr.Await(t, "cannot reach the gateway at unix:///nonexistent/sock: dial unix /nonexistent/sock")
}
