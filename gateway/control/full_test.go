package control_test

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestFullControlPlane checks that a new client is admitted to a full control plane, and that the client that has been
// idle for the longest gives way to it.
func TestFullControlPlane(t *testing.T) {
	first, _ := serve(t, gatewaytest.Start(t).Server, control.Config{MaxConnections: 2})
	var in []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", first.Target())
		check(t, err)
		defer conn.Close()
		check(t, conn.SetDeadline(time.Now().Add(patience)))
		_, err = conn.Read(make([]byte, 1)) // the server's settings
		check(t, err)
		in = append(in, conn)
	}
	if _, err := io.Copy(io.Discard, in[0]); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the oldest client was not closed")
	}
	_, err := pb.NewGatewayServiceClient(first).GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
}

// TestTooManyStreams checks the bound of event streams and the error beyond it.
func TestTooManyStreams(t *testing.T) {
	g := gatewaytest.Start(t)
	first, _ := serve(t, g.Server, control.Config{StreamsPerIdentity: 2000, CallsPerIdentity: 2000})
	second, err := grpc.NewClient(first.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(t, err)
	defer second.Close()
	clients := []pb.GatewayServiceClient{pb.NewGatewayServiceClient(first), pb.NewGatewayServiceClient(second)}
	const share = (1000 - 1000/8) / 2 // of an identity alone, beside the places that are kept for administrators
	for i := range share {
		followClient(t, clients[i%2], &pb.StreamEventsRequest{})
	}
	stream, err := clients[0].StreamEvents(patiently(t), &pb.StreamEventsRequest{})
	check(t, err)
	_, err = stream.Recv()
	if status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
}

// TestGapAfterCut checks that a caller that is cut off after the first response, and resumes, still gets the gap.
func TestGapAfterCut(t *testing.T) {
	g := gatewaytest.Start(t)
	dial(t, g)
	f := follow(t, g, &pb.StreamEventsRequest{After: "test.1@12345"})
	f.cancel()
	f = follow(t, g, &pb.StreamEventsRequest{After: f.cursor})
	if e := f.next(); e.GetType() != gap || e.GetGap().GetRequestedCursor() != "test.1@12345" {
		t.Errorf("resumed at %s with %v; expected the gap", f.cursor, e)
	}
}

// TestStopBeforeServe checks that Serve closes its listener and returns nil if Stop was called before it.
func TestStopBeforeServe(t *testing.T) {
	g := gatewaytest.Start(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	c := control.New(g.Server, control.Config{})
	c.Stop(patiently(t))
	check(t, c.Serve(listener))
	if err := listener.Close(); err == nil {
		t.Error("the listener was left open")
	}
}
