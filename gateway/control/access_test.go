package control

import (
	"context"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/sockgate/sockgate/gateway/auth"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestEveryMethodHasARole checks that every method of a control plane has a role in the table of this test.
func TestEveryMethodHasARole(t *testing.T) {
	s := New(logGateway{}, Config{})
	if len(s.local.guard.Access) < 15+3 {
		t.Errorf("only %d methods: %v", len(s.local.guard.Access), s.local.guard.Access)
	}
	for method, a := range s.local.guard.Access {
		if !a.Everybody && a.Role == pb.Role_ROLE_UNSPECIFIED {
			t.Errorf("nobody may call %s: it has no required_role", method)
		}
	}
	if a := s.local.guard.Access["/sockgate.v1.GatewayService/StreamEvents"]; !a.Fields {
		t.Error("nobody looks at the field_role of StreamEvents")
	}
}

// TestUndeclaredMethod checks that a method without a declared role is refused, also to an admin, unary or stream. A
// method that does not exist is UNIMPLEMENTED.
func TestUndeclaredMethod(t *testing.T) {
	s := New(logGateway{}, Config{})
	registrar{s.grpc, nil}.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Undeclared", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: func(_ any, ctx context.Context, dec func(any) error,
			intercept grpc.UnaryServerInterceptor) (any, error) {
			in := &emptypb.Empty{}
			if err := dec(in); err != nil {
				return nil, err
			}
			return intercept(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/test.Undeclared/Unary"},
				func(context.Context, any) (any, error) { return in, nil })
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true,
			Handler: func(_ any, stream grpc.ServerStream) error {
				return stream.SendMsg(&emptypb.Empty{})
			}}}}, nil)
	if a := auth.NewAccessTable(s.grpc.GetServiceInfo())["/test.Undeclared/Unary"]; a.Everybody ||
		a.Role != pb.Role_ROLE_UNSPECIFIED {
		t.Errorf("%+v", a)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	defer serving.Wait()
	defer s.Stop(t.Context())
	serving.Go(func() { _ = s.Serve(listener) })
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for method, want := range map[string]codes.Code{"/test.Undeclared/Unary": codes.PermissionDenied,
		"/test.Undeclared/Other": codes.Unimplemented} {
		if err := conn.Invoke(t.Context(), method, &emptypb.Empty{}, &emptypb.Empty{}); status.Code(err) != want {
			t.Errorf("%s: %v; expected %s", method, err, want)
		}
	}
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/test.Undeclared/Stream")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.RecvMsg(&emptypb.Empty{}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("stream: %v", err)
	}
}

// TestUnauthenticatedCall checks that the interceptors deny a call that was never authenticated, in case a call gets
// past the tap.
func TestUnauthenticatedCall(t *testing.T) {
	s := New(logGateway{}, Config{})
	for method, a := range s.local.guard.Access {
		if _, _, err := s.local.guard.Authorize(t.Context(), method); (err == nil) != a.Everybody {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// TestRequestIDIsPrintable checks that request IDs with characters that would garble a log are refused.
func TestRequestIDIsPrintable(t *testing.T) {
	for id, ok := range map[string]bool{"a b~": true, "a\nb": false, "a\x1b[0m": false, "ä": false, "\x7f": false} {
		ctx := metadata.NewIncomingContext(t.Context(), metadata.Pairs("x-request-id", id))
		if err := checkRequestID(ctx); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// FuzzBanToken checks that any text either decodes to a token that encodes to the same text, or is refused.
func FuzzBanToken(f *testing.F) {
	f.Add(banToken{target: "192.0.2.0/24"}.encode())
	f.Add(banToken{target: "spiffe://example.org/device/7", identity: true}.encode())
	f.Fuzz(func(t *testing.T, s string) {
		token, err := decodeBanToken(s)
		if err == nil && s != "" && token.encode() != s {
			t.Errorf("%q is %+v, which is %q", s, token, token.encode())
		}
	})
}
