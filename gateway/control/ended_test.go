package control_test

import (
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestEndedCallsHoldTheirMemory checks that calls that have ended, in any way, hold memory until the client was sent
// the status, so that a client that does not read cannot have any number of them.
func TestEndedCallsHoldTheirMemory(t *testing.T) {
	t.Parallel()
	const calls, each = 200, 24 << 10
	tokens := openTokens(t, nil, tokenLine("ops", "admin"), tokenLine("look", "viewer"))
	l := newUnbuffered()
	first := l.client(t)
	serveOn(t, l, first, gatewaytest.Start(t).Server, control.Config{Auth: auth.Config{Required: true,
		Tokens: tokens.TokenFile}})
	ops := pb.NewGatewayServiceClient(first)
	for name, method := range map[string]string{
		"denied":  pb.GatewayService_Shutdown_FullMethodName,
		"failed":  pb.GatewayService_GetConnection_FullMethodName,
		"unknown": "/sockgate.v1.GatewayService/Unknown",
		"served":  pb.GatewayService_GetLimits_FullMethodName,
	} {
		f, conn := l.deaf(t)
		block := headers(t, method, "application/grpc", tokenOf("look"))
		for i := range calls {
			id := uint32(2*i + 1)
			check(t, f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true}))
			check(t, f.WriteData(id, true, make([]byte, 5)))
		}
		now, deadline := heldBy(t, ops, "token look"), time.Now().Add(patience)
		for (now < calls*each || now > 2*calls*each) && time.Now().Before(deadline) { // the last calls have not ended
			now = heldBy(t, ops, "token look")
		}
		if now < calls*each || now > 2*calls*each {
			t.Errorf("%s: %d ended calls hold %d bytes; expected %d to %d", name, calls, now, calls*each, 2*calls*each)
		}
		check(t, conn.Close())
		for deadline := time.Now().Add(patience); heldBy(t, ops, "token look") > 0; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: memory is held after the client has gone", name)
			}
		}
	}
}

// heldBy returns how much of the memory for calls an identity holds.
func heldBy(t *testing.T, ops pb.GatewayServiceClient, identity string) int64 {
	t.Helper()
	for _, h := range held(t, ops, "calls").GetHolders() {
		if h.GetIdentity() == identity {
			return h.GetHeld()
		}
	}
	return 0
}
