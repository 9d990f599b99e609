package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/ctl/internal/app"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	findEvery = 20 * time.Millisecond // a connection is listed a moment after it was opened
	// local addresses that a filter names; with more of them, all connections are listed
	maxAddressTerms = 16
)

// label gives this benchmark's connections a label that no other has, and makes the filter for it.
func (x *broadcastBench) label(ctx context.Context) error {
	ctx, cancel := x.client.Within(ctx, 0)
	defer cancel()
	ids, err := x.find(ctx)
	if err != nil {
		return err
	}
	value := uuid.NewString()
	for batch := range slices.Chunk(ids, app.MaxIDs) {
		resp, err := x.client.SetLabels(ctx, &pb.SetLabelsRequest{ConnectionIds: batch,
			Set: map[string]string{benchLabel: value}})
		if err != nil {
			return err
		}
		for _, o := range resp.GetOutcomes() {
			if o.GetOutcome() != pb.Outcome_OUTCOME_LABELED {
				return fmt.Errorf("%s could not be given a label: %s", o.GetId(), app.OutcomeSentence(o.GetOutcome()))
			}
		}
	}
	x.filter = fmt.Sprintf("labels[%q] == %q", benchLabel, value)
	return nil
}

// find returns the IDs of all our connections; the addresses of our ends identify them.
func (x *broadcastBench) find(ctx context.Context) ([]string, error) {
	ours, ips := make(map[string]bool), make(map[string]bool)
	for _, socket := range x.opened.sockets {
		ours[socket.LocalAddr().String()] = true
		if tcp, ok := socket.LocalAddr().(*net.TCPAddr); ok {
			ips[strconv.Quote(tcp.IP.String())] = true
		}
	}
	request := &pb.ListConnectionsRequest{PageSize: app.MaxIDs}
	if len(ips) <= maxAddressTerms {
		request.Filter = "remote_ip in [" + strings.Join(slices.Sorted(maps.Keys(ips)), ", ") + "]"
	}
	most := -1 // nothing was listed yet
	for {
		ids, err := x.list(ctx, request, ours)
		if err != nil && (most < 0 || !timeIsOver(ctx, err)) {
			return nil, err
		}
		if len(ids) == len(ours) {
			return ids, nil
		}
		if most = max(most, len(ids)); x.app.Env.Sleep(ctx, findEvery) != nil {
			return nil, x.notFound(ctx, most)
		}
	}
}

// timeIsOver reports whether a call failed because ctx is over, or just about to be: the gateway has the same
// deadline.
func timeIsOver(ctx context.Context, err error) bool {
	return ctx.Err() != nil || app.StatusOf(err).Code() == codes.DeadlineExceeded
}

func (x *broadcastBench) notFound(ctx context.Context, found int) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return errors.New("interrupted before anything was measured")
	}
	return fmt.Errorf("the gateway at %s lists %d of the %d connections that were opened to %s within %s: it closed "+
		"them, or it is not the control "+
		"plane of that address (name the right one with --gateway), or a proxy or address translation is between",
		x.client.Addr, found,
		len(x.opened.sockets), x.address, x.app.Timeout)
}

// list walks over the connections once.
func (x *broadcastBench) list(ctx context.Context, request *pb.ListConnectionsRequest,
	ours map[string]bool) (ids []string, err error) {
	request.PageToken = ""
	for {
		resp, err := x.client.ListConnections(ctx, request)
		if err != nil {
			return ids, err
		}
		for _, c := range resp.GetConnections() {
			if ours[c.GetRemoteAddress()] {
				ids = append(ids, c.GetId())
			}
		}
		if request.PageToken = resp.GetNextPageToken(); request.PageToken == "" {
			return ids, nil
		}
	}
}
