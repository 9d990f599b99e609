package app

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// maxReceive bounds one answer: a page of 1,000 connections with 16 full labels each fits.
	maxReceive = 16 << 20
	// maxReceiveBatch bounds one batch of events: 256 times 64 KiB of data, and as much again for the rest of the events.
	maxReceiveBatch = 32 << 20
)

// Client is the connection to one gateway's control plane.
type Client struct {
	pb.GatewayServiceClient
	Conn   *grpc.ClientConn
	Addr   string
	secure *tls.Config // nil: no TLS
	app    *App
	quiet  bool // nothing is said about refused parts of answers

	timeout time.Duration // --timeout

	answered atomic.Bool // something accepted the network connection
}

// Connect prepares the connection; the first call dials. The caller closes the client. Commands that need no more
// than calls use Ask or WithClient.
func (a *App) Connect() (*Client, error) {
	x, err := a.Access()
	if err != nil {
		return nil, err
	}
	secure, err := x.tlsConfig()
	if err != nil {
		return nil, err
	}
	options, err := a.dialOptions(x, secure)
	if err != nil {
		return nil, err
	}
	c := &Client{Addr: x.Gateway, secure: secure, app: a, timeout: a.Timeout}
	conn, err := grpc.NewClient(x.Gateway, append(options,
		grpc.WithNoProxy(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceive)),
		// The gateway allows a ping every 10 s; heartbeats make them rare anyhow.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 15 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: BackoffFirst, Multiplier: 2, Jitter: 0.2, MaxDelay: BackoffLast},
			MinConnectTimeout: 20 * time.Second,
		}),
		grpc.WithStatsHandler(dialWatch{c}),
		grpc.WithUnaryInterceptor(c.unary),
		grpc.WithStreamInterceptor(c.stream),
	)...)
	if err != nil {
		return nil, Usagef("--gateway %q is not an address (%v); give host:port or unix:///path", x.Gateway, err)
	}
	c.Conn = conn
	c.GatewayServiceClient = pb.NewGatewayServiceClient(conn)
	return c, nil
}

// checkGateway refuses addresses that gRPC would take for another kind of target.
func checkGateway(addr string) error {
	if path, ok := strings.CutPrefix(addr, "unix://"); ok && strings.HasPrefix(path, "/") {
		return nil
	}
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" || strings.Contains(addr, "/") {
		return Usagef("--gateway %q is not an address; give host:port, for example %s, or unix:///path", addr, DefaultGateway)
	}
	return nil
}

// Close closes the connection.
func (c *Client) Close() { _ = c.Conn.Close() }

// unary adds to every error the circumstances that Explain needs, and checks every answer.
func (c *Client) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn,
	invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	var gateway peer.Peer
	err := c.Wrap(invoke(ctx, method, req, reply, cc, append(opts, grpc.Peer(&gateway))...), req)
	if call := (*CallError)(nil); errors.As(err, &call) && gateway.Addr != nil {
		call.connected = true // gRPC reports the connection's state a little later than the result of the call
	}
	if err != nil {
		return err
	}
	return c.check(reply)
}

// stream is unary for the opening of a stream.
func (c *Client) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, desc, cc, method, opts...)
	return checkedStream{s, c}, c.Wrap(err, nil)
}

// checkedStream checks every answer of a stream.
type checkedStream struct {
	grpc.ClientStream
	client *Client
}

// RecvMsg receives one answer.
func (s checkedStream) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	return s.client.check(m)
}

// Wrap makes a CallError of an error of this client's calls. req is the request, or nil.
func (c *Client) Wrap(err error, req any) error {
	if err == nil {
		return nil
	}
	call := &CallError{addr: c.Addr, secure: c.secure, connected: c.Conn.GetState() == connectivity.Ready,
		answered: c.answered.Load(), err: err}
	if r, ok := req.(interface{ GetFilter() string }); ok {
		call.filter = r.GetFilter()
	}
	return call
}

// EventStream is an open stream of batches of events.
type EventStream = grpc.ServerStreamingClient[pb.StreamEventsResponse]

// OpenStream starts an event stream. The timeout holds until the request is on a working connection: a quiet
// gateway's first answer is its heartbeat, seconds later. The caller calls the returned function when done.
func (a *App) OpenStream(ctx context.Context, c *Client, req *pb.StreamEventsRequest,
) (EventStream, context.CancelFunc, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(a.Timeout, func() { cancel(context.DeadlineExceeded) })
	stream, err := c.StreamEvents(ctx, req, grpc.MaxCallRecvMsgSize(maxReceiveBatch))
	if !timer.Stop() && errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		err = c.Wrap(errConnectTimeout(a.Timeout), req)
	}
	if err != nil {
		cancel(nil)
		return nil, nil, err
	}
	return stream, func() { cancel(nil) }, nil
}

// errConnectTimeout is the status of a stream that could not be established in time.
func errConnectTimeout(d time.Duration) error {
	return status.Errorf(codes.Unavailable, noConnection+"%s", d)
}

const noConnection = "no connection within "

// dialWatch notes when a network connection is made: then something listens there, although it may be no gateway.
type dialWatch struct{ client *Client }

func (w dialWatch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (w dialWatch) HandleConn(_ context.Context, s stats.ConnStats) {
	if _, ok := s.(*stats.ConnBegin); ok {
		w.client.answered.Store(true)
	}
}

func (w dialWatch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (w dialWatch) HandleRPC(context.Context, stats.RPCStats) {}

// DialTarget splits ADDR into the network and the address that package net wants.
func DialTarget(addr string) (network, address string, err error) {
	if path, ok := strings.CutPrefix(addr, "unix://"); ok && strings.HasPrefix(path, "/") {
		return "unix", path, nil
	}
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" || strings.Contains(addr, "/") {
		return "", "", Usagef("%q is not an address; give host:port, for example localhost:8017, or unix:///path", addr)
	}
	return "tcp", addr, nil
}
