//go:build linux

package daemon_test

import (
	"net"
	"syscall"
	"testing"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// crowd makes more connections than the gateway can have. The kernel's backlog takes the rest.
func crowd(t *testing.T, p *process, n int) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		conns[i] = p.dial()
	}
	return conns
}

func failed(op pb.ErrorOperation) func(*pb.Event) bool {
	return func(e *pb.Event) bool { return e.GetError().GetOperation() == op }
}

// TestDescriptorsExhausted checks a gateway that may have more connections than descriptors. It stays alive when
// descriptors run out, logs that, and accepts again when some are free.
func TestDescriptorsExhausted(t *testing.T) {
	t.Parallel()
	p := spawn(t, "ulimit -n 256", "--max-connections", "100000", "--drain-timeout", "1s")
	stream := p.follow(&pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_ERROR}})
	first := p.dial()
	echo(t, first, "hi")
	conns := crowd(t, p, 400)
	if e := until(t, stream, failed(pb.ErrorOperation_ERROR_OPERATION_ACCEPT)).GetError(); e.GetCount() == 0 ||
		e.GetListener() == "" || e.GetMessage() == "" {
		t.Error(e)
	}
	echo(t, first, "still here")
	if totals := p.info().GetTotals(); totals.GetAcceptErrors() == 0 || totals.GetConnections() < 200 ||
		totals.GetConnections() > 256 {
		t.Error(totals)
	}
	for _, c := range conns {
		check(t, c.Close())
	}
	echo(t, p.dial(), "again")
	_, err := p.connect().GetGateway(patiently(t), &pb.GetGatewayRequest{})
	check(t, err)
	check(t, first.Close())
	p.signal(syscall.SIGTERM)
	if code := p.exit(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestFull checks that by default a full gateway has enough descriptors left for its control plane.
func TestFull(t *testing.T) {
	t.Parallel()
	p := spawn(t, "ulimit -n 256")
	limit := p.info().GetLimits().GetMaxConnections()
	if limit < 100 || limit >= 256 {
		t.Fatalf("the limit is %d", limit)
	}
	stream := p.follow(&pb.StreamEventsRequest{Types: []pb.EventType{pb.EventType_EVENT_TYPE_REFUSED}})
	conns := crowd(t, p, int(limit)+100)
	for refused := uint64(0); refused < 100; {
		e := until(t, stream, func(*pb.Event) bool { return true }).GetRefused()
		if e.GetReason() != pb.CloseReason_CLOSE_REASON_CONNECTION_LIMIT || e.GetListener() == "" {
			t.Fatal(e)
		}
		refused += e.GetCount()
	}
	for range 10 {
		info, err := p.connect().GetGateway(patiently(t), &pb.GetGatewayRequest{})
		check(t, err)
		if totals := info.GetTotals(); totals.GetConnections() != limit || totals.GetRefused() != 100 ||
			totals.GetAcceptErrors() != 0 {
			t.Error(totals)
		}
	}
	kicked, err := p.client.Kick(patiently(t), &pb.KickRequest{Filter: "true"})
	check(t, err)
	if kicked.GetKicked() != limit {
		t.Error(kicked)
	}
	for _, c := range conns {
		_ = c.Close() // the gateway has closed it already
	}
	echo(t, p.dial(), "hi")
}
