package control_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/gatewaytest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// rawClient writes HTTP/2 frames that no gRPC client would.
type rawClient struct {
	net.Conn
	*http2.Framer
	token  string
	stream uint32
}

// rawDial connects with a flow-control window for what the server sends, and discards what comes.
func rawDial(t *testing.T, address, token string, window uint32) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, http2.ClientPreface)
	check(t, err)
	c := &rawClient{Conn: conn, Framer: http2.NewFramer(conn, conn), token: token, stream: 1}
	check(t, c.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}))
	go func() { _, _ = io.Copy(io.Discard, conn) }() // ends when the connection is closed
	return c
}

// call sends the headers of a call, then a message's length and some of its bytes, and perhaps the end of the request.
func (c *rawClient) call(method string, length int, message []byte, end bool) error {
	var block bytes.Buffer
	h := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", method}, {":authority", "x"},
		{"content-type", "application/grpc"}, {"te", "trailers"}, {"authorization", "Bearer " + c.token}} {
		if err := h.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return err
		}
	}
	id := c.stream
	c.stream += 2
	if err := c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(),
		EndHeaders: true}); err != nil {
		return err
	}
	return c.WriteData(id, end, append(binary.BigEndian.AppendUint32([]byte{0}, uint32(length)), message...))
}

// held returns how much of a budget is held, as an administrator sees it.
func held(t *testing.T, ops pb.GatewayServiceClient, name string) *pb.Budget {
	t.Helper()
	r, err := ops.GetGateway(bearing(patiently(t), tokenOf("ops")), &pb.GetGatewayRequest{})
	check(t, err)
	for _, b := range r.GetBudgets() {
		if b.GetName() == name {
			return b
		}
	}
	t.Fatalf("no budget %s in %v", name, r.GetBudgets())
	return nil
}

// TestCallsHoldABudget checks that requests that never end, and answers that nobody reads, hold no more than the
// budget, that another identity and an administrator are answered meanwhile, and that everything is given back.
func TestCallsHoldABudget(t *testing.T) {
	t.Parallel()
	const budget = 8 << 20
	tokens := openTokens(t, nil, tokenLine("ops", "admin"), tokenLine("other", "viewer"), tokenLine("a", "viewer"),
		tokenLine("b", "viewer"), tokenLine("c", "viewer"))
	g := gatewaytest.Start(t)
	for range 50 {
		dial(t, g)
	}
	first, _ := serve(t, g.Server, control.Config{MemoryBudget: budget,
		Auth: auth.Config{Required: true, Tokens: tokens.TokenFile}})
	client := pb.NewGatewayServiceClient(first)
	for name, attack := range map[string]func(c *rawClient) error{
		"unfinished": func(c *rawClient) error {
			return c.call(pb.GatewayService_CountConnections_FullMethodName, 1<<20, make([]byte, 8<<10), false)
		},
		"unread": func(c *rawClient) error {
			return c.call(pb.GatewayService_ListConnections_FullMethodName, 0, nil, true)
		},
	} {
		var hostile []*rawClient
		for _, identity := range []string{"a", "b", "c"} {
			c := rawDial(t, first.Target(), tokenOf(identity), 0)
			for range 300 {
				if attack(c) != nil {
					break // the gateway has closed the connection to make room
				}
			}
			hostile = append(hostile, c)
		}
		if b := held(t, client, "calls"); b.GetHeld() > budget || b.GetPeak() > budget || b.GetRefused() == 0 {
			t.Errorf("%s: %v; expected at most %d, and refusals", name, b, budget)
		}
		_, err := client.ListConnections(bearing(patiently(t), tokenOf("other")), &pb.ListConnectionsRequest{})
		check(t, err)
		for _, c := range hostile {
			check(t, c.Close())
		}
		deadline := time.Now().Add(patience)
		for b := held(t, client, "calls"); len(b.GetHolders()) > 1; b = held(t, client, "calls") {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %v is held after the clients have gone", name, b)
			}
		}
	}
}

// TestRequestOverTheSize checks that a request that decodes to far more than its bytes is refused with a reason.
func TestRequestOverTheSize(t *testing.T) {
	t.Parallel()
	g := gatewaytest.Start(t)
	request := &pb.KickRequest{}
	for range 100_000 {
		request.ConnectionIds = append(request.ConnectionIds, "")
	}
	_, err := g.Client.Kick(patiently(t), request)
	expectFailure(t, err, failure{codes.InvalidArgument, "OUT_OF_BOUNDS", "request"})
}

// TestViewersSeeNoHolders checks that the identities that hold budgets are for operators.
func TestViewersSeeNoHolders(t *testing.T) {
	t.Parallel()
	tokens := openTokens(t, nil, tokenLine("ops", "operator"), tokenLine("look", "viewer"))
	first, _ := serve(t, gatewaytest.Start(t).Server, control.Config{Auth: auth.Config{Required: true,
		Tokens: tokens.TokenFile}})
	client := pb.NewGatewayServiceClient(first)
	for name, want := range map[string]bool{"ops": true, "look": false} {
		r, err := client.GetGateway(bearing(patiently(t), tokenOf(name)), &pb.GetGatewayRequest{})
		check(t, err)
		var names []string
		seen := false
		for _, b := range r.GetBudgets() {
			names = append(names, b.GetName())
			seen = seen || len(b.GetHolders()) > 0
		}
		if fmt.Sprint(names) != "[calls control_connections event_streams lanes processor send_queues]" || seen != want {
			t.Errorf("%s sees holders: %t, of %v", name, seen, names)
		}
	}
}
