package control_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	"github.com/sockgate/sockgate/gateway/internal/authority"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// undrained is a gateway that does not shut down when it is told to.
type undrained struct{ gateway }

func (undrained) StartDrain(server.DrainRequest) server.DrainStatus { return server.DrainStatus{} }

// connectAs returns another client, with other credentials, of the control plane that to is connected to.
func connectAs(t testing.TB, to *grpc.ClientConn, as credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(to.Target(), grpc.WithTransportCredentials(as))
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// invoke calls any method with an empty request. Of a stream it takes the first response.
func invoke(ctx context.Context, conn *grpc.ClientConn, m protoreflect.MethodDescriptor,
	set func(protoreflect.Message)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	method := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
	in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	if set != nil {
		set(in)
	}
	if !m.IsStreamingServer() {
		return conn.Invoke(ctx, method, in, out)
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(in); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(out)
}

// methods are the RPCs of the contract.
func methods() []protoreflect.MethodDescriptor {
	var all []protoreflect.MethodDescriptor
	m := pb.File_sockgate_v1_gateway_service_proto.Services().Get(0).Methods()
	for i := range m.Len() {
		all = append(all, m.Get(i))
	}
	return all
}

// needed is the least role of each RPC, as the documents give it. It repeats the contract on purpose: a changed role
// has to be changed twice.
var needed = map[protoreflect.Name]pb.Role{
	"ListConnections": pb.Role_ROLE_VIEWER, "CountConnections": pb.Role_ROLE_VIEWER,
	"GetConnection": pb.Role_ROLE_VIEWER, "GetGateway": pb.Role_ROLE_VIEWER,
	"GetLimits": pb.Role_ROLE_VIEWER, "ListBans": pb.Role_ROLE_VIEWER, "StreamEvents": pb.Role_ROLE_VIEWER,
	"ListNodes": pb.Role_ROLE_VIEWER, "ListInstances": pb.Role_ROLE_VIEWER,
	"Send": pb.Role_ROLE_OPERATOR, "Broadcast": pb.Role_ROLE_OPERATOR, "Kick": pb.Role_ROLE_OPERATOR,
	"SetLabels": pb.Role_ROLE_OPERATOR, "DrainInstance": pb.Role_ROLE_OPERATOR,
	"AddBan": pb.Role_ROLE_OPERATOR, "RemoveBan": pb.Role_ROLE_OPERATOR,
	"Shutdown": pb.Role_ROLE_ADMIN, "UpdateLimits": pb.Role_ROLE_ADMIN, "ForgetNode": pb.Role_ROLE_ADMIN,
}

// TestRoles checks, for every RPC, which roles may call it, with a token and with a certificate. Without either, every
// call is refused.
func TestRoles(t *testing.T) {
	ca := newAuthority()
	g := gatewaytest.Start(t)
	tokens := openTokens(t, nil, tokenLine("viewer", "viewer"), tokenLine("operator", "operator"),
		tokenLine("admin", "admin"))
	config := control.Config{TLS: ca.server(), Auth: auth.Config{Tokens: tokens.TokenFile, Roles: map[string]pb.Role{
		"spiffe://test/viewer/*": pb.Role_ROLE_VIEWER, "spiffe://test/operator": pb.Role_ROLE_OPERATOR,
		"spiffe://test/admin": pb.Role_ROLE_ADMIN}}}
	nobody, _ := serveAs(t, undrained{g.Server}, config, ca.client())
	for _, m := range methods() {
		err := invoke(patiently(t), nobody, m, nil)
		expectFailure(t, err, failure{codes.Unauthenticated, "CREDENTIALS_REQUIRED", ""})
		if needed[m.Name()] == pb.Role_ROLE_UNSPECIFIED {
			t.Errorf("%s is new: who may call it?", m.Name())
		}
	}
	for role, id := range map[pb.Role]string{pb.Role_ROLE_VIEWER: "spiffe://test/viewer/ann",
		pb.Role_ROLE_OPERATOR: "spiffe://test/operator", pb.Role_ROLE_ADMIN: "spiffe://test/admin"} {
		name := auth.RoleWord(role)
		certified := connectAs(t, nobody, ca.client(ca.named(id)))
		for _, m := range methods() {
			for way, err := range map[string]error{
				"token":       invoke(bearing(patiently(t), tokenOf(name)), nobody, m, nil),
				"certificate": invoke(patiently(t), certified, m, nil),
			} {
				denied := failureCode(err) == codes.PermissionDenied || failureCode(err) == codes.Unauthenticated
				if want := !auth.Includes(role, needed[m.Name()]); denied != want {
					t.Errorf("%s of a %s by %s: %v", m.Name(), name, way, err)
				} else if denied {
					expectFailure(t, err, failure{codes.PermissionDenied, "ROLE_REQUIRED", ""})
					if _, metadata := failureOf(t, err); metadata["has"] != auth.RoleName(role) ||
						metadata["needs"] != auth.RoleName(needed[m.Name()]) ||
						!strings.HasSuffix(metadata["method"], string(m.Name())) {
						t.Errorf("%s of a %s: metadata %v", m.Name(), name, metadata)
					}
				}
			}
		}
	}
}

// TestFieldRoles checks that a viewer may follow events but not payloads.
func TestFieldRoles(t *testing.T) {
	tokens := openTokens(t, nil, tokenLine("viewer", "viewer"), tokenLine("operator", "operator"))
	conn, _ := serve(t, gatewaytest.Start(t).Server, control.Config{Auth: auth.Config{Tokens: tokens.TokenFile}})
	client := pb.NewGatewayServiceClient(conn)
	for _, r := range []*pb.StreamEventsRequest{{}, {MaxDataBytes: 5}} {
		_, err := call(bearing(patiently(t), tokenOf("viewer")), client, r)
		check(t, err)
	}
	_, err := call(bearing(patiently(t), tokenOf("operator")), client, &pb.StreamEventsRequest{IncludeData: true})
	check(t, err)
	_, err = call(bearing(patiently(t), tokenOf("viewer")), client, &pb.StreamEventsRequest{IncludeData: true})
	expectFailure(t, err, failure{codes.PermissionDenied, "ROLE_REQUIRED", ""})
	if !strings.Contains(err.Error(), "include_data") {
		t.Error(err)
	}
}

// TestCertificates checks the error that a client gets without a certificate, with one that proves nothing, and with
// one without a role.
func TestCertificates(t *testing.T) {
	ca, other := newAuthority(), newAuthority()
	roles := map[string]pb.Role{"spiffe://test/ops/*": pb.Role_ROLE_VIEWER, "spiffe://test/ops/boss": pb.Role_ROLE_ADMIN,
		"ops.test": pb.Role_ROLE_OPERATOR, "Ann": pb.Role_ROLE_VIEWER, "uid:0": pb.Role_ROLE_ADMIN}
	first, _ := serveAs(t, gatewaytest.Start(t).Server, control.Config{TLS: ca.server(), Auth: auth.Config{Roles: roles}},
		ca.client())
	long := ca.issue(authority.CommonName("Ann"), authority.DNS("ops.test", "boss.test"))
	for name, c := range map[string]struct {
		certificates []tls.Certificate
		want         failure // zero: the call succeeds
		role         pb.Role
	}{
		"none":                {nil, failure{codes.Unauthenticated, "CREDENTIALS_REQUIRED", ""}, 0},
		"below a pattern":     {[]tls.Certificate{ca.named("spiffe://test/ops/ann")}, failure{}, pb.Role_ROLE_VIEWER},
		"far below a pattern": {[]tls.Certificate{ca.named("spiffe://test/ops/ann/phone")}, failure{}, pb.Role_ROLE_VIEWER},
		"exactly":             {[]tls.Certificate{ca.named("spiffe://test/ops/boss")}, failure{}, pb.Role_ROLE_ADMIN},
		"above a pattern": {[]tls.Certificate{ca.named("spiffe://test/ops")},
			failure{codes.PermissionDenied, "NO_ROLE", ""}, 0},
		"beside a pattern": {[]tls.Certificate{ca.named("spiffe://test/opsx/ann")},
			failure{codes.PermissionDenied, "NO_ROLE", ""}, 0},
		"the pattern itself": {[]tls.Certificate{ca.named("spiffe://test/ops/*")},
			failure{codes.PermissionDenied, "NO_ROLE", ""}, 0},
		"other domain": {[]tls.Certificate{ca.named("spiffe://other/ops/ann")},
			failure{codes.PermissionDenied, "NO_ROLE", ""}, 0},
		"DNS name":    {[]tls.Certificate{long}, failure{}, pb.Role_ROLE_OPERATOR},
		"common name": {[]tls.Certificate{ca.issue(authority.CommonName("Ann"))}, failure{}, pb.Role_ROLE_VIEWER},
		"common name of a user": {[]tls.Certificate{ca.issue(authority.CommonName("uid:0"))},
			failure{codes.PermissionDenied, "NO_ROLE", ""}, 0},
		"names nobody": {[]tls.Certificate{ca.issue()}, failure{codes.Unauthenticated, "CERTIFICATE_INVALID", ""},
			0},
		"names too much": {[]tls.Certificate{ca.issue(authority.CommonName(text(1025)))},
			failure{codes.Unauthenticated, "CERTIFICATE_INVALID", ""}, 0},
		"wrong authority": {[]tls.Certificate{other.named("spiffe://test/ops/boss")}, failure{code: codes.Unavailable},
			0},
		"expired": {[]tls.Certificate{ca.issue(authority.DNS("ops.test"), authority.Until(time.Now().Add(-time.Minute)))},
			failure{code: codes.Unavailable}, 0},
	} {
		r, err := pb.NewGatewayServiceClient(connectAs(t, first, ca.client(c.certificates...))).GetGateway(patiently(t),
			&pb.GetGatewayRequest{})
		switch {
		case c.want == failure{}:
			if err != nil || r.GetCaller().GetRole() != c.role || r.GetCaller().GetProof() != "certificate" {
				t.Errorf("%s: %v, %v", name, r.GetCaller(), err)
			}
		case c.want.reason == "": // the handshake fails
			if failureCode(err) != c.want.code { // the text depends on when the client notices
				t.Errorf("%s: %v", name, err)
			}
		default:
			if got, _ := failureOf(t, err); got != c.want {
				t.Errorf("%s: %v: %v", name, got, err)
			}
		}
	}
}

// TestNoRoleIsLogged checks that the log names an identity without a role, so that the operator can give it one.
func TestNoRoleIsLogged(t *testing.T) {
	ca := newAuthority()
	var log lockedBuffer
	conn, s := serveAs(t, gatewaytest.Start(t).Server, control.Config{TLS: ca.server(), Logger: traceLogger(&log)},
		ca.client(ca.named("spiffe://test/ann")))
	_, err := pb.NewGatewayServiceClient(conn).GetGateway(patiently(t), &pb.GetGatewayRequest{})
	expectFailure(t, err, failure{codes.PermissionDenied, "NO_ROLE", ""})
	s.Stop(patiently(t))
	for len(lines(t, log.String(), "reason")) == 0 && t.Context().Err() == nil { // the reporter runs on its own
		runtime.Gosched()
	}
	if line := lines(t, log.String(), "reason")[0]; line["identity"] != "spiffe://test/ann" ||
		line["proof"] != "certificate" || line["address"] == "" {
		t.Error(line)
	}
}

// TestUnverifiedCertificate checks that an unverified certificate proves nothing, whatever name it bears.
func TestUnverifiedCertificate(t *testing.T) {
	ca := newAuthority()
	config := ca.server()
	config.ClientAuth = tls.RequestClientCert
	roles := map[string]pb.Role{"spiffe://test/boss": pb.Role_ROLE_ADMIN}
	conn, _ := serveAs(t, gatewaytest.Start(t).Server, control.Config{TLS: config, Auth: auth.Config{Roles: roles}},
		ca.client(newAuthority().named("spiffe://test/boss")))
	_, err := pb.NewGatewayServiceClient(conn).GetGateway(patiently(t), &pb.GetGatewayRequest{})
	expectFailure(t, err, failure{codes.Unauthenticated, "CERTIFICATE_INVALID", ""})
}

// TestWrongTransport checks that a plain client gets nothing from a TLS port, nor a TLS client from a plain one.
func TestWrongTransport(t *testing.T) {
	ca := newAuthority()
	g := gatewaytest.Start(t)
	encrypted, _ := serveAs(t, g.Server, control.Config{TLS: ca.server()}, ca.client())
	for name, conn := range map[string]*grpc.ClientConn{
		"plain text to TLS": connectAs(t, encrypted, insecure.NewCredentials()),
		"TLS to plain text": connectAs(t, g.Conn, ca.client()),
	} {
		_, err := pb.NewGatewayServiceClient(conn).GetGateway(patiently(t), &pb.GetGatewayRequest{})
		if failureCode(err) != codes.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestNoResumption checks that a client proves its certificate on each connection. A resumed session would rest on
// authorities that may have been replaced.
func TestNoResumption(t *testing.T) {
	ca := newAuthority()
	changing := ca.server()
	for name, config := range map[string]*tls.Config{"fixed": ca.server(),
		"chosen": {GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return changing, nil }}} {
		conn, _ := serveAs(t, gatewaytest.Start(t).Server, control.Config{TLS: config}, ca.client())
		client := &tls.Config{RootCAs: ca.Pool(), ServerName: "127.0.0.1", NextProtos: []string{"h2"},
			ClientSessionCache: tls.NewLRUClientSessionCache(1)}
		for range 2 {
			c, err := tls.Dial("tcp", conn.Target(), client)
			check(t, err)
			check(t, c.SetDeadline(time.Now().Add(patience)))
			_, err = c.Read(make([]byte, 1)) // the server's settings, which follow any ticket
			check(t, err)
			if c.ConnectionState().DidResume {
				t.Errorf("%s: the session was resumed", name)
			}
			check(t, c.Close())
		}
	}
}

// TestTokenHeaders checks the errors for bad tokens. A client with a bad token is never let in for being on loopback.
func TestTokenHeaders(t *testing.T) {
	var log lockedBuffer
	tokens := openTokens(t, nil, tokenLine("ops", "operator"),
		tokenLine("old", "admin", "expires:2020-01-01T00:00:00Z"), tokenLine("gone", "viewer"))
	tokens.become(tokenLine("ops", "operator"), tokenLine("old", "admin", "expires:2020-01-01T00:00:00Z"))
	conn, _ := serve(t, gatewaytest.Start(t).Server, control.Config{Auth: auth.Config{Tokens: tokens.TokenFile},
		Logger: traceLogger(&log)})
	client := pb.NewGatewayServiceClient(conn)
	ops := tokenOf("ops")
	for _, c := range []struct {
		headers []string
		reason  string // empty: the call succeeds
	}{
		{nil, ""}, // loopback
		{[]string{"Bearer " + ops}, ""},
		{[]string{"bearer " + ops}, ""},
		{[]string{"BEARER " + ops}, ""},
		{[]string{""}, "TOKEN_INVALID"},
		{[]string{ops}, "TOKEN_INVALID"},
		{[]string{"Bearer"}, "TOKEN_INVALID"},
		{[]string{"Bearer "}, "TOKEN_INVALID"},
		{[]string{"Bearer  " + ops}, "TOKEN_INVALID"},
		{[]string{"Bearer " + ops + " "}, "TOKEN_INVALID"},
		{[]string{"Bearer " + ops + "x"}, "TOKEN_INVALID"},
		{[]string{"Bearer " + ops[:46]}, "TOKEN_INVALID"},
		{[]string{"Bearer " + strings.ToUpper(ops)}, "TOKEN_INVALID"},
		{[]string{"Basic " + ops}, "TOKEN_INVALID"},
		{[]string{"Bearer " + tokenOf("unknown")}, "TOKEN_INVALID"},
		{[]string{"Bearer " + ops, "Bearer " + ops}, "TOKEN_INVALID"},
		{[]string{"Bearer " + text(12_000)}, "TOKEN_INVALID"},
		{[]string{"Bearer " + tokenOf("old")}, "TOKEN_EXPIRED"},
		{[]string{"Bearer " + tokenOf("gone")}, "TOKEN_REVOKED"},
	} {
		ctx := metadata.NewOutgoingContext(patiently(t), metadata.MD{"authorization": c.headers})
		for _, request := range []*pb.StreamEventsRequest{nil, {}} {
			var err error
			if request == nil {
				_, err = client.GetGateway(ctx, &pb.GetGatewayRequest{})
			} else {
				_, err = call(ctx, client, request)
			}
			switch {
			case c.reason == "" && err != nil:
				t.Errorf("%.60q: %v", c.headers, err)
			case c.reason != "":
				expectFailure(t, err, failure{codes.Unauthenticated, c.reason, ""})
				if strings.Contains(err.Error(), "sgt_0") || len(err.Error()) > 500 {
					t.Errorf("the error repeats the token: %v", err)
				}
			}
		}
	}
	if strings.Contains(log.String(), ops[4:]) || strings.Contains(log.String(), text(100)) {
		t.Error("the log has a token")
	}
}

// TestTokenDecides checks that a token decides a caller's identity even where something else would prove another one. A
// gateway without tokens refuses every token.
func TestTokenDecides(t *testing.T) {
	ca := newAuthority()
	tokens := openTokens(t, nil, tokenLine("ops", "viewer"))
	conn, _ := serveAs(t, gatewaytest.Start(t).Server,
		control.Config{TLS: ca.server(), Auth: auth.Config{Tokens: tokens.TokenFile,
			Roles: map[string]pb.Role{"spiffe://test/boss": pb.Role_ROLE_ADMIN}}}, ca.client(ca.named("spiffe://test/boss")))
	client := pb.NewGatewayServiceClient(conn)
	r, err := client.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
	check(t, err)
	if c := r.GetCaller(); c.GetIdentity() != "ops" || c.GetProof() != "token" || c.GetRole() != pb.Role_ROLE_VIEWER {
		t.Error(c)
	}
	_, err = client.GetGateway(bearing(patiently(t), tokenOf("other")), &pb.GetGatewayRequest{})
	expectFailure(t, err, failure{codes.Unauthenticated, "TOKEN_INVALID", ""})
	_, err = gatewaytest.Start(t).Client.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
	expectFailure(t, err, failure{codes.Unauthenticated, "TOKEN_INVALID", ""})
}

// TestLoopback checks that a caller on loopback is not let in when an identity is required, and that a caller from
// elsewhere never is.
func TestLoopback(t *testing.T) {
	g := gatewaytest.Start(t)
	required, _ := serve(t, g.Server, control.Config{Auth: auth.Config{Required: true}})
	_, err := pb.NewGatewayServiceClient(required).GetGateway(patiently(t), &pb.GetGatewayRequest{})
	expectFailure(t, err, failure{codes.Unauthenticated, "CREDENTIALS_REQUIRED", ""})
	for _, ends := range [][2]string{{"127.0.0.1", "192.0.2.1"}, {"192.0.2.1", "127.0.0.1"}, {"::1", "2001:db8::1"},
		{"2001:db8::1", "::1"}} {
		p := newPipe(ends[0])
		p.to = ends[1] // only one of the ends is on loopback
		conn := p.client(t)
		serveOn(t, p, conn, g.Server, control.Config{})
		_, err := pb.NewGatewayServiceClient(conn).GetGateway(patiently(t), &pb.GetGatewayRequest{})
		expectFailure(t, err, failure{codes.Unauthenticated, "CREDENTIALS_REQUIRED", ""})
	}
	for from, want := range map[string]codes.Code{"127.0.0.1": codes.OK, "127.9.9.9": codes.OK, "::1": codes.OK,
		"::ffff:127.0.0.1": codes.OK,
		"192.0.2.1":        codes.Unauthenticated, "2001:db8::1": codes.Unauthenticated,
		"0.0.0.0": codes.Unauthenticated, "::": codes.Unauthenticated} {
		p := newPipe(from)
		conn := p.client(t)
		serveOn(t, p, conn, g.Server, control.Config{})
		_, err := pb.NewGatewayServiceClient(conn).GetGateway(patiently(t), &pb.GetGatewayRequest{})
		if failureCode(err) != want {
			t.Errorf("from %s: %v; expected %s", from, err, want)
		}
	}
}

// TestUnixSocket checks the identity of a caller on a unix socket. A mapping can take away the role of the gateway's
// own user.
func TestUnixSocket(t *testing.T) {
	g := gatewaytest.Start(t)
	for role, config := range map[pb.Role]auth.Config{
		pb.Role_ROLE_ADMIN:  {Required: true},
		pb.Role_ROLE_VIEWER: {Roles: map[string]pb.Role{ownIdentity(): pb.Role_ROLE_VIEWER}},
	} {
		listener, err := net.Listen("unix", t.TempDir()+"/control.sock")
		check(t, err)
		conn, err := grpc.NewClient("unix://"+listener.Addr().String(),
			grpc.WithTransportCredentials(insecure.NewCredentials()))
		check(t, err)
		// TLS is not for unix sockets
		serveOn(t, listener, conn, g.Server, control.Config{Auth: config, TLS: newAuthority().server()})
		client := pb.NewGatewayServiceClient(conn)
		r, err := client.GetGateway(patiently(t), &pb.GetGatewayRequest{})
		check(t, err)
		if c := r.GetCaller(); c.GetIdentity() != ownIdentity() || c.GetProof() != "unix" || c.GetRole() != role {
			t.Error(c)
		}
		_, err = client.Broadcast(patiently(t), &pb.BroadcastRequest{Data: data(1)})
		if want := role == pb.Role_ROLE_ADMIN; (err == nil) != want {
			t.Errorf("%s: %v", role, err)
		}
		_, err = client.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
		expectFailure(t, err, failure{codes.Unauthenticated, "TOKEN_INVALID", ""})
	}
}
