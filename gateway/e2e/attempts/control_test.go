package attempts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/sockgate/sockgate/gateway/e2e/internal/token"
	"github.com/sockgate/sockgate/gateway/internal/authority"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// answer is the result of a call: its status with the reason in it, or the end of a connection without an answer.
func answer(err error) string {
	if err == nil {
		return "OK"
	}
	s := status.Convert(err)
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return code(s) + " " + info.GetReason()
		}
	}
	for text, what := range map[string]string{
		"certificate signed by unknown authority": "the caller trusts another CA",
		"first record does not look like a TLS":   "no TLS there: the caller ends",
		// the alert about a certificate may be in it, or come too late
		"error reading server preface": "the connection is closed",
		"broken pipe":                  "the connection is closed",
		"connection reset by peer":     "the connection is closed",
	} {
		if strings.Contains(s.Message(), text) {
			return what
		}
	}
	return code(s) + " " + s.Message()
}

// code is a status's code as the contract writes it.
func code(s *status.Status) string {
	var b strings.Builder
	for i, r := range s.Code().String() {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

// call is one RPC, with the least that makes it valid and changes nothing.
type call struct {
	name string
	make func(context.Context, pb.GatewayServiceClient) error
}

// received returns the error of a stream's first message.
func received[T any](stream grpc.ServerStreamingClient[T], err error) error {
	if err == nil {
		_, err = stream.Recv()
	}
	return err
}

const nobody = "edge-1.19ab0d3f1c2.1"

// calls are all RPCs of the service.
var calls = []call{
	{"ListConnections", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.ListConnections(ctx, &pb.ListConnectionsRequest{})
		return err
	}},
	{"CountConnections", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.CountConnections(ctx, &pb.CountConnectionsRequest{})
		return err
	}},
	{"GetConnection", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.GetConnection(ctx, &pb.GetConnectionRequest{Id: nobody})
		return err
	}},
	{"GetGateway", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.GetGateway(ctx, &pb.GetGatewayRequest{})
		return err
	}},
	{"GetLimits", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.GetLimits(ctx, &pb.GetLimitsRequest{})
		return err
	}},
	{"ListBans", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.ListBans(ctx, &pb.ListBansRequest{})
		return err
	}},
	{"StreamEvents", func(ctx context.Context, c pb.GatewayServiceClient) error {
		return received(c.StreamEvents(ctx, &pb.StreamEventsRequest{}))
	}},
	{"StreamEvents with payloads", func(ctx context.Context, c pb.GatewayServiceClient) error {
		return received(c.StreamEvents(ctx, &pb.StreamEventsRequest{IncludeData: true}))
	}},
	{"Send", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.Send(ctx, &pb.SendRequest{Id: nobody, Data: []byte("x")})
		return err
	}},
	{"Broadcast", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.Broadcast(ctx, &pb.BroadcastRequest{Data: []byte("x"), Filter: "false"})
		return err
	}},
	{"Kick", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.Kick(ctx, &pb.KickRequest{Filter: "false"})
		return err
	}},
	{"SetLabels", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.SetLabels(ctx, &pb.SetLabelsRequest{Filter: "false", Set: map[string]string{"a": "b"}})
		return err
	}},
	{"AddBan", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.AddBan(ctx, &pb.AddBanRequest{Target: "192.0.2.1", Duration: durationpb.New(time.Minute)})
		return err
	}},
	{"RemoveBan", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.RemoveBan(ctx, &pb.RemoveBanRequest{Target: "192.0.2.2"})
		return err
	}},
	{"UpdateLimits", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.UpdateLimits(ctx,
			&pb.UpdateLimitsRequest{Limits: &pb.Limits{HandshakeTimeout: durationpb.New(
				1500 * time.Millisecond)}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"handshake_timeout"}}})
		return err
	}},
	{"ListNodes", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.ListNodes(ctx, &pb.ListNodesRequest{})
		return err
	}},
	{"ForgetNode", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.ForgetNode(ctx, &pb.ForgetNodeRequest{Node: "edge-2"})
		return err
	}},
	{"ListInstances", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.ListInstances(ctx, &pb.ListInstancesRequest{})
		return err
	}},
	{"DrainInstance", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.DrainInstance(ctx, &pb.DrainInstanceRequest{Handler: "chat", Instance: "nobody"})
		return err
	}},
	// not valid, so that it changes nothing for a caller that may
	{"Shutdown", func(ctx context.Context, c pb.GatewayServiceClient) error {
		_, err := c.Shutdown(ctx, &pb.ShutdownRequest{GracePeriod: durationpb.New(-time.Second)})
		return err
	}},
}

// TestEveryRPCIsTried holds that a new RPC of the contract is called here.
func TestEveryRPCIsTried(t *testing.T) {
	methods := pb.File_sockgate_v1_gateway_service_proto.Services().Get(0).Methods()
	for i := range methods.Len() {
		name := string(methods.Get(i).Name())
		if !slices.ContainsFunc(calls, func(c call) bool { return c.name == name }) {
			t.Errorf("calls has no %s", name)
		}
	}
}

// matrix returns the table of each RPC's answer to each caller.
func (g *guarded) matrix() string {
	callers := []struct {
		name string
		conn *grpc.ClientConn
	}{{"nobody", g.dial(nil, "")}, {"viewer", g.dial(nil, token.Of("viewer"))},
		{"operator", g.dial(nil, token.Of("operator"))}, {"admin", g.dial(nil, token.Of("admin"))}}
	var b strings.Builder
	b.WriteString("| RPC | nobody | viewer | operator | admin |\n|---|---|---|---|---|\n")
	for _, call := range calls {
		b.WriteString("| " + call.name)
		for _, caller := range callers {
			ctx, cancel := context.WithCancel(within(g.t))
			b.WriteString(" | " + answer(call.make(ctx, pb.NewGatewayServiceClient(caller.conn))))
			cancel()
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

// describe calls GetGateway, which every role may.
func (g *guarded) describe(conn *grpc.ClientConn, headers ...string) string {
	_, err := pb.NewGatewayServiceClient(conn).GetGateway(with(within(g.t), headers...),
		&pb.GetGatewayRequest{})
	return answer(err)
}

// controlAttempts are attempts at the control plane.
func (g *guarded) controlAttempts() []attempt {
	stranger := g.strangers.issue("stranger", "spiffe://example.org/ops/admin", nil)
	old := g.ca.issue("old", "spiffe://example.org/ops/admin", expired)
	noClient := g.ca.Server(authority.CommonName("no-client"), authority.URI("spiffe://example.org/ops/admin"),
		local).TLS()
	known := g.ca.issue("known", "spiffe://example.org/ops/admin/more", nil)
	common := g.ca.issue("common", "spiffe://example.org/ops/admin", func(c *x509.Certificate) {
		c.Subject.CommonName, c.URIs = "spiffe://example.org/ops/admin", nil
	})
	host := g.ca.issue("host", "spiffe://example.org/ops/admin", func(c *x509.Certificate) {
		c.DNSNames, c.URIs = []string{"spiffe://example.org/ops/admin"}, nil
	})
	twoNames := g.ca.issue("two-names", "spiffe://example.org/ops/nobody", func(c *x509.Certificate) {
		c.Subject.CommonName = "spiffe://example.org/ops/admin"
		c.DNSNames = []string{"spiffe://example.org/ops/admin"}
	})
	admin := g.ca.issue("admin2", "spiffe://example.org/ops/admin", nil)
	viewer := g.dial(nil, token.Of("viewer"))
	return []attempt{
		{"plain text to the control plane's TLS", func() string {
			return g.describe(g.connect(g.control, plainly(), grpc.WithPerRPCCredentials(token.Bearer(token.Of("admin")))))
		}},
		{"a caller that trusts another CA than the gateway's", func() string {
			other := *g
			other.ca = g.strangers
			return other.describe(other.dial(nil, token.Of("admin")))
		}},
		{"neither certificate nor token", func() string { return g.describe(g.dial(nil, "")) }},
		{"an administrator's certificate, of another CA", func() string { return g.describe(g.dial(&stranger, "")) }},
		{"an administrator's certificate that has expired", func() string { return g.describe(g.dial(&old, "")) }},
		{"a server's certificate in place of a client's", func() string { return g.describe(g.dial(&noClient, "")) }},
		{"a certificate whose identity has no role", func() string { return g.describe(g.dial(&known, "")) }},
		{"a certificate with an administrator's name where the identity does not come from",
			func() string { return g.describe(g.dial(&twoNames, "")) }},
		{"a certificate with an administrator's SPIFFE ID for its common name",
			func() string { return g.describe(g.dial(&common, "")) }},
		{"the same for its DNS name", func() string { return g.describe(g.dial(&host, "")) }},
		{"an administrator's certificate, and a wrong token",
			func() string { return g.describe(g.dial(&admin, token.Of("stranger"))) }},
		{"a token that was never made", func() string { return g.describe(g.dial(nil, token.Of("stranger"))) }},
		{"a token without its last character",
			func() string { t := token.Of("admin"); return g.describe(g.dial(nil, t[:len(t)-1])) }},
		{"the hash of a token in place of the token",
			func() string { return g.describe(g.dial(nil, token.HashOf("admin"))) }},
		{"a token that has expired", func() string { return g.describe(g.dial(nil, token.Of("late"))) }},
		{"an empty token", func() string { return g.describe(g.dial(nil, ""), "authorization", "Bearer ") }},
		{"a password (Basic) in place of a token",
			func() string { return g.describe(g.dial(nil, ""), "authorization", "Basic YWRtaW46YWRtaW4=") }},
		{"two tokens, a wrong one and an administrator's", func() string {
			return g.describe(g.dial(nil, ""), "authorization", "Bearer "+token.Of("stranger"), "authorization",
				"Bearer "+token.Of("admin"))
		}},
		{"reflection, by nobody", func() string { return g.reflect(g.dial(nil, "")) }},
		{"health, by nobody (which is allowed)", func() string {
			_, err := healthpb.NewHealthClient(g.dial(nil, "")).Check(within(g.t), &healthpb.HealthCheckRequest{})
			return answer(err)
		}},
		{"a method that does not exist, by an administrator", func() string {
			return answer(g.adminConn.Invoke(within(g.t), "/sockgate.v1.GatewayService/GrantEverything",
				&pb.GetGatewayRequest{}, &pb.GetGatewayResponse{}))
		}},
		{"a viewer who claims a role in a header", func() string {
			ctx := with(within(g.t), "role", "admin", "x-role", "ROLE_ADMIN", "x-forwarded-user", "admin")
			_, err := pb.NewGatewayServiceClient(viewer).Shutdown(ctx, &pb.ShutdownRequest{})
			return answer(err)
		}},
		{"to go on with a stream when its token has been removed", g.outlive},
		{"a token of a removed name", func() string { return g.describe(g.dial(nil, token.Of("leaver"))) }},
		{"a request of more than 4 MiB", func() string {
			_, err := g.admin.Send(within(g.t), &pb.SendRequest{Id: nobody, Data: make([]byte, 5<<20)})
			return code(status.Convert(err))
		}},
		{"headers of more than 16 KiB", func() string { return code(status.Convert(g.longHeaders())) }},
		{"the 101st event stream of one identity", g.manyStreams},
		{"a page token that somebody made up", func() string {
			_, err := g.admin.ListConnections(within(g.t), &pb.ListConnectionsRequest{PageToken: "AAAA"})
			return answer(err)
		}},
		{"a cursor that somebody made up", func() string {
			return answer(received(g.admin.StreamEvents(within(g.t), &pb.StreamEventsRequest{After: "edge-1"})))
		}},
		{"a filter that would keep the gateway busy", func() string {
			_, err := g.admin.CountConnections(within(g.t), &pb.CountConnectionsRequest{
				Filter: `labels.exists(a, labels.exists(b, labels.exists(c, (a + b + c).matches("(a*)*b"))))`})
			return answer(err)
		}},
	}
}

func (g *guarded) reflect(conn *grpc.ClientConn) string {
	stream, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(within(g.t))
	if err == nil {
		// Recv returns its error too
		_ = stream.Send(&reflectionpb.ServerReflectionRequest{
			MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}})
		_, err = stream.Recv()
	}
	return answer(err)
}

// outlive removes the token of an open stream, and returns how the stream ends.
func (g *guarded) outlive() string {
	stream, err := pb.NewGatewayServiceClient(g.dial(nil, token.Of("leaver"))).StreamEvents(within(g.t),
		&pb.StreamEventsRequest{})
	if err == nil {
		_, err = stream.Recv()
	}
	if err != nil {
		return answer(err)
	}
	g.writeTokens("viewer viewer "+token.HashOf("viewer"), "operator operator "+token.HashOf("operator"),
		"admin admin "+token.HashOf("admin"), "late viewer "+token.HashOf("late")+" expires:2020-01-01T00:00:00Z")
	for err == nil {
		_, err = stream.Recv()
	}
	if errors.Is(err, io.EOF) {
		return "OK"
	}
	return answer(err)
}

func (g *guarded) longHeaders() error {
	_, err := g.admin.GetGateway(with(within(g.t), "x-long", strings.Repeat("x", 32<<10)), &pb.GetGatewayRequest{})
	return err
}

func (g *guarded) manyStreams() string {
	client := pb.NewGatewayServiceClient(g.dial(nil, token.Of("viewer")))
	ctx, cancel := context.WithCancel(within(g.t))
	defer cancel()
	for range 100 {
		if err := received(client.StreamEvents(ctx, &pb.StreamEventsRequest{})); err != nil {
			return answer(err)
		}
	}
	return answer(received(client.StreamEvents(ctx, &pb.StreamEventsRequest{})))
}

// startAttempts try to start a gateway that would not be safe. The answer is its exit code and its first line.
func (g *guarded) startAttempts() []attempt {
	start := func(args ...string) func() string {
		return func() string {
			out, err := exec.Command(g.program, append([]string{"--listen", "127.0.0.1:0"}, args...)...).CombinedOutput()
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				return fmt.Sprint("it started: ", err)
			}
			first, _, _ := strings.Cut(strings.TrimPrefix(string(out), "gateway: "), "\n")
			return fmt.Sprintf("exit %d: %s", exit.ExitCode(), first)
		}
	}
	tlsFlags := []string{"--control-tls-cert", g.ca.file("server.pem"), "--control-tls-key", g.ca.file("server.key")}
	return []attempt{
		{"to start with the control plane on every address, and nothing else", start("--control", "0.0.0.0:0")},
		{"the same with TLS, and no identity", start(append(tlsFlags, "--control", "0.0.0.0:0")...)},
		{"the same with tokens, and no TLS", start("--control", "0.0.0.0:0", "--control-token-file", g.tokens())},
		{"to require identities and name no way to prove one",
			start("--control", "127.0.0.1:0", "--control-auth", "required")},
		{"to join a fleet over the network, without certificates",
			start("--control", "127.0.0.1:0", "--cluster-listen", "0.0.0.0:6222")},
		{"the same with a certificate, and no CA for those of others",
			start("--control", "127.0.0.1:0", "--cluster-listen", "0.0.0.0:6222", "--cluster-tls-cert", g.ca.file("server.pem"),
				"--cluster-tls-key", g.ca.file("server.key"))},
		{"NATS over the network, in plain text", start("--control", "127.0.0.1:0", "--nats-url",
			"nats://edge-1:secret@192.0.2.1:4222")},
		{"to start with the PROXY protocol, and believe everybody", start("--proxy-protocol", "required")},
	}
}

// loopbackAttempts are at a gateway with its defaults, where every process on the machine may do everything.
func (g *guarded) loopbackAttempts() []attempt {
	open := &guarded{t: g.t, dir: g.dir, program: g.program, ca: g.ca, listeners: make(map[string]string)}
	open.start("--listen", "plain=127.0.0.1:0", "--control", "127.0.0.1:0", "--control-token-file", g.tokens())
	return []attempt{
		{"without authentication, on loopback (which is allowed)",
			func() string { return open.describe(open.connect(open.control, plainly())) }},
		{"there, with a wrong token", func() string {
			return open.describe(open.connect(open.control, plainly(),
				grpc.WithPerRPCCredentials(token.Bearer(token.Of("stranger")))))
		}},
		{"there, with a viewer's token, to shut the gateway down", func() string {
			conn := open.connect(open.control, plainly(), grpc.WithPerRPCCredentials(token.Bearer(token.Of("viewer"))))
			_, err := pb.NewGatewayServiceClient(conn).Shutdown(within(g.t), &pb.ShutdownRequest{})
			return answer(err)
		}},
		{"there, TLS to its plain control plane", func() string { return open.describe(open.dial(nil, "")) }},
	}
}

// tlsVersion returns a client's configuration for one version only.
func tlsVersion(version uint16, suites ...uint16) *tls.Config {
	return &tls.Config{MinVersion: version, MaxVersion: version, CipherSuites: suites, InsecureSkipVerify: true}
}
