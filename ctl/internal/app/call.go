package app

import (
	"context"
	"time"

	"google.golang.org/grpc"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// API is the contract's client. Its method expressions, for example API.GetLimits, name the calls of Ask and Call.
type API = pb.GatewayServiceClient

// Method is one unary method of the contract.
type Method[Q, R any] func(API, context.Context, Q, ...grpc.CallOption) (R, error)

// Ask connects, makes one call within --timeout, and closes the connection.
func Ask[Q, R any](ctx context.Context, a *App, method Method[Q, R], req Q) (R, error) {
	return AskLonger(ctx, a, 0, method, req)
}

// AskLonger is Ask for a call that may take extra in addition to --timeout.
func AskLonger[Q, R any](ctx context.Context, a *App, extra time.Duration, method Method[Q, R],
	req Q) (resp R, err error) {
	err = a.WithClient(func(c *Client) error {
		resp, err = CallLonger(ctx, c, extra, method, req)
		return err
	})
	return resp, err
}

// Call makes one call within --timeout.
func Call[Q, R any](ctx context.Context, c *Client, method Method[Q, R], req Q) (R, error) {
	return CallLonger(ctx, c, 0, method, req)
}

// CallLonger makes one call, which may take extra in addition to --timeout.
func CallLonger[Q, R any](ctx context.Context, c *Client, extra time.Duration, method Method[Q, R], req Q) (R, error) {
	ctx, cancel := c.Within(ctx, extra)
	defer cancel()
	return method(c, ctx, req)
}

// WithClient connects, and closes the connection when use has returned.
func (a *App) WithClient(use func(*Client) error) error {
	c, err := a.Connect()
	if err != nil {
		return err
	}
	defer c.Close()
	return use(c)
}

// Within bounds ctx by --timeout and extra; a negative extra counts as none.
func (c *Client) Within(ctx context.Context, extra time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, c.timeout+max(extra, 0))
}
