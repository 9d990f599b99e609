package control

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// connection converts a connection; nil for one without an Identity. Enums are converted by number: TestEnums holds
// that the server's and the contract's agree.
func connection(i *server.Connection) *pb.Connection {
	if i.Identity == nil {
		return nil
	}
	peer := i.Known()
	return &pb.Connection{
		Id:                  i.ID(),
		Node:                i.Origin.Node,
		Listener:            i.Listener.Name,
		RemoteAddress:       i.RemoteAddr(),
		LocalAddress:        i.LocalAddr(),
		ConnectedAt:         timestamp(i.ConnectedAt),
		LastActiveAt:        timestamp(i.LastActiveAt),
		BytesReceived:       i.BytesReceived,
		BytesSent:           i.BytesSent,
		QueuedBytes:         i.QueuedBytes,
		State:               pb.ConnectionState(i.State),
		Labels:              i.Labels,
		ClosedAt:            timestamp(i.ClosedAt),
		CloseReason:         pb.CloseReason(i.CloseReason),
		CloseText:           contract.ValidText(i.CloseText),
		ClosedBy:            i.ClosedBy,
		ReadPaused:          i.ReadPaused,
		TlsVersion:          peer.TLSVersion,
		TlsCipher:           peer.Cipher,
		TlsProtocol:         contract.ValidText(peer.Protocol),
		TlsServerName:       contract.ValidText(peer.ServerName),
		PeerIdentity:        contract.ValidText(peer.Identity),
		ProxyAddress:        i.ProxyAddr(),
		HandlerInstance:     contract.ValidText(i.Instance),
		UnacknowledgedBytes: i.Unacknowledged,
	}
}

func groups(all []server.Group) []*pb.ConnectionGroup {
	out := make([]*pb.ConnectionGroup, len(all))
	for i, g := range all {
		out[i] = &pb.ConnectionGroup{Value: g.Value, Count: g.Count}
	}
	return out
}

func outcomes(targets []server.TargetOutcome) []*pb.TargetOutcome {
	out := make([]*pb.TargetOutcome, len(targets))
	for i, t := range targets {
		out[i] = &pb.TargetOutcome{Id: t.ID, Outcome: pb.Outcome(t.Outcome), UnsentBytes: t.Unsent}
	}
	return out
}

func gatewayInfo(g *server.GatewayInfo) *pb.GetGatewayResponse {
	response := &pb.GetGatewayResponse{
		Node:           g.Node,
		Incarnation:    g.Incarnation,
		Version:        g.Version,
		StartedAt:      timestamp(g.StartedAt),
		Uptime:         durationpb.New(g.Uptime),
		Limits:         limits(&g.Config.Limits, g),
		Totals:         totals(&g.Totals),
		Cursor:         g.Cursor.String(),
		Draining:       g.Draining,
		DrainDeadline:  timestamp(g.DrainDeadline),
		Engine:         g.Engine,
		OldestSequence: g.OldestSequence,
		Process: &pb.Process{ResidentBytes: g.Process.ResidentBytes, HeapBytes: g.Process.HeapBytes,
			Goroutines: g.Process.Goroutines},
	}
	for _, l := range g.Listeners {
		response.Listeners = append(response.Listeners, &pb.Listener{Name: l.Name, Address: l.Address,
			Handler: l.Handler, Open: l.Open,
			Connections: uint64(l.Connections), Tls: l.TLS, ClientAuth: l.ClientAuth, ProxyProtocol: l.Proxy,
			Framing: l.Framing, MaxFrameBytes: uint64(l.MaxFrame)})
	}
	return response
}

func byReason(counts map[server.CloseReason]uint64) map[string]uint64 {
	out := make(map[string]uint64, len(counts))
	for reason, n := range counts {
		out[reason.String()] = n
	}
	return out
}

func totals(t *server.Totals) *pb.Totals {
	return &pb.Totals{
		Connections:         uint64(t.Connections),
		Accepted:            t.Accepted,
		Refused:             t.Refused,
		AcceptErrors:        t.AcceptErrors,
		Closed:              byReason(t.Closed),
		BytesReceived:       t.BytesReceived,
		BytesSent:           t.BytesSent,
		BytesUnsent:         t.BytesUnsent,
		BytesDiscarded:      t.BytesDiscarded,
		SendsDropped:        t.SendsDropped,
		ReadPauses:          t.ReadPauses,
		EventStreams:        t.EventStreams,
		EventsMissed:        t.EventsMissed,
		Refusals:            byReason(t.Refusals),
		Pending:             uint64(t.Pending),
		QueuedBytes:         t.QueuedBytes,
		RatePauses:          t.RatePauses,
		HandlerPauses:       t.HandlerPauses,
		Held:                t.Held,
		UnacknowledgedBytes: t.UnacknowledgedBytes,
	}
}
