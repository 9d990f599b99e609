package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// broadcaster makes a server send a message to all of its connections.
type broadcaster interface {
	broadcast(ctx context.Context, message []byte, conns int) error
	io.Closer
}

// controlPlane is a client of a gateway's control plane.
type controlPlane struct{ *grpc.ClientConn }

func newControlPlane(s *proc.Server) (controlPlane, error) {
	c, err := grpc.NewClient(s.Address(control).String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	return controlPlane{c}, err
}

// newBroadcaster returns a control plane as a broadcaster.
func newBroadcaster(s *proc.Server) (broadcaster, error) { return newControlPlane(s) }

func (p controlPlane) broadcast(ctx context.Context, message []byte, conns int) error {
	r, err := pb.NewGatewayServiceClient(p).Broadcast(ctx, &pb.BroadcastRequest{Data: message})
	if err != nil {
		return err
	}
	if r.GetMatched() != uint64(conns) || r.GetWritten()+r.GetQueued() != r.GetMatched() {
		return fmt.Errorf("broadcast to %d connections: %v", conns, r)
	}
	return nil
}

// refused returns how many connections the gateway has refused, by reason.
func (p controlPlane) refused(ctx context.Context) (string, error) {
	r, err := pb.NewGatewayServiceClient(p).GetGateway(ctx, &pb.GetGatewayRequest{})
	if err != nil {
		return "", err
	}
	refusals := r.GetTotals().GetRefusals()
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(refusals)) {
		parts = append(parts, fmt.Sprintf("%s %d", reason, refusals[reason]))
	}
	if len(parts) == 0 {
		return "none", nil
	}
	return strings.Join(parts, ", "), nil
}

// controlSocket is a connection to the C server's control port: bytes that are sent on it go to all connections, and
// one byte answers them.
type controlSocket struct{ net.Conn }

func newControlSocket(s *proc.Server) (broadcaster, error) {
	c, err := net.DialTimeout("tcp", s.Address(control).String(), time.Second)
	return controlSocket{c}, err
}

func (s controlSocket) broadcast(ctx context.Context, message []byte, _ int) error {
	deadline, _ := ctx.Deadline()
	if err := s.SetDeadline(deadline); err != nil {
		return err
	}
	if _, err := s.Write(message); err != nil {
		return err
	}
	var done [1]byte
	_, err := io.ReadFull(s, done[:])
	return err
}
