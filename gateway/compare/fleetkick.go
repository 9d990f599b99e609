package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// kick measures kicks through the first of three nodes: in turn of its own connections and of the second node's.
func (l *fleet) kick(ctx context.Context) (own, other result.Measurement, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, margin, fmt.Errorf("the kicks took longer than %s", margin))
	defer cancel()
	servers, stop, err := l.start(ctx, l.serverCores, 0, 1, 2)
	if err != nil {
		return own, other, err
	}
	defer stop()
	var victims [2][]string // of the first two nodes
	for i := range victims {
		leave, err := leavers(servers[i], l.kicks)
		if err != nil {
			return own, other, err
		}
		defer leave()
		if victims[i], err = connectionIDs(ctx, servers[i], l.kicks); err != nil {
			return own, other, err
		}
	}
	plane, err := newControlPlane(servers[0])
	if err != nil {
		return own, other, err
	}
	defer plane.Close()
	if err := plane.assembled(ctx, fleetNodes); err != nil {
		return own, other, err
	}
	var took [2]*hdrhistogram.Histogram
	for i := range took {
		took[i] = hdrhistogram.New(1000, int64(2*time.Minute), 3)
	}
	for n := range l.kicks {
		for i := range took {
			begin := time.Now()
			if err := plane.kick(ctx, victims[i][n]); err != nil {
				return own, other, err
			}
			if err := took[i].RecordValue(int64(time.Since(begin))); err != nil {
				return own, other, err
			}
		}
	}
	own.Latency, other.Latency = percentiles(took[0]), percentiles(took[1])
	own.Count, other.Count = uint64(l.kicks), uint64(l.kicks)
	return own, other, nil
}

// kick kicks one connection.
func (p controlPlane) kick(ctx context.Context, id string) error {
	r, err := pb.NewGatewayServiceClient(p).Kick(ctx, &pb.KickRequest{ConnectionIds: []string{id}})
	if err == nil && r.GetKicked() != 1 {
		err = fmt.Errorf("kick of %s: %v", id, r)
	}
	return err
}

// connectionIDs waits until a node has n connections, and returns their IDs.
func connectionIDs(ctx context.Context, s *proc.Server, n int) (ids []string, err error) {
	plane, err := newControlPlane(s)
	if err != nil {
		return nil, err
	}
	defer plane.Close()
	for ctx.Err() == nil {
		ids = ids[:0]
		r := &pb.ListConnectionsRequest{PageSize: 1000, Scope: &pb.Scope{Local: true}}
		for first := true; first || r.PageToken != ""; first = false {
			page, err := pb.NewGatewayServiceClient(plane).ListConnections(ctx, r)
			if err != nil {
				return nil, err
			}
			for _, c := range page.GetConnections() {
				ids = append(ids, c.GetId())
			}
			r.PageToken = page.GetNextPageToken()
		}
		if len(ids) == n {
			return ids, nil
		}
	}
	return nil, fmt.Errorf("%d of %d connections: %w", len(ids), n, ctx.Err())
}

// leavers connects n clients. Each leaves when the server has finished, because a kick ends only when the peer has
// left. leave ends them all.
func leavers(s *proc.Server, n int) (leave func(), err error) {
	var conns []net.Conn
	var reading sync.WaitGroup
	leave = func() {
		for _, c := range conns {
			_ = c.Close()
		}
		reading.Wait()
	}
	for range n {
		c, err := net.Dial("tcp", s.Address(data).String())
		if err != nil {
			leave()
			return nil, err
		}
		conns = append(conns, c)
		reading.Go(func() {
			_, _ = io.Copy(io.Discard, c)
			_ = c.Close()
		})
	}
	return leave, nil
}
