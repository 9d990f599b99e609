package control

import (
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// The enums of the server and of the contract have the same numbers; a test holds that they have the same names.

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

// validText replaces what is not UTF-8 in a text that comes from outside, such as a panic's: gRPC could send none of the message
// that it is in.
func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// connection converts a connection; nil for an Info of none.
func connection(i *server.Info) *pb.Connection {
	if i.Identity == nil {
		return nil
	}
	peer := i.Known()
	return &pb.Connection{
		Id:            i.ID(),
		Node:          i.Origin.Node,
		Listener:      i.Listener.Name,
		RemoteAddress: i.RemoteAddress(),
		LocalAddress:  i.LocalAddress(),
		ConnectedAt:   timestamp(i.ConnectedAt),
		LastActiveAt:  timestamp(i.LastActiveAt),
		BytesReceived: i.BytesReceived,
		BytesSent:     i.BytesSent,
		QueuedBytes:   i.QueuedBytes,
		State:         pb.ConnectionState(i.State),
		Labels:        i.Labels,
		ClosedAt:      timestamp(i.ClosedAt),
		CloseReason:   pb.CloseReason(i.CloseReason),
		CloseText:     validText(i.CloseText),
		ClosedBy:      i.ClosedBy,
		ReadPaused:    i.ReadPaused,
		TlsVersion:    peer.TLSVersion,
		TlsCipher:     peer.Cipher,
		TlsProtocol:   validText(peer.Protocol),
		TlsServerName: validText(peer.ServerName),
		PeerIdentity:  validText(peer.Identity),
		ProxyAddress:  i.ProxyAddress(),
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
		Limits:         limits(g),
		Totals:         totals(&g.Totals),
		Cursor:         g.Cursor.String(),
		Draining:       g.Draining,
		DrainDeadline:  timestamp(g.DrainDeadline),
		Engine:         g.Engine,
		OldestSequence: g.OldestSequence,
		Process:        &pb.Process{ResidentBytes: g.Process.ResidentBytes, HeapBytes: g.Process.HeapBytes, Goroutines: g.Process.Goroutines},
	}
	for _, l := range g.Listeners {
		response.Listeners = append(response.Listeners, &pb.Listener{Name: l.Name, Address: l.Address, Handler: l.Handler, Open: l.Open,
			Connections: uint64(l.Connections)})
	}
	return response
}

func limits(g *server.GatewayInfo) *pb.Limits {
	c := &g.Config.Limits
	return &pb.Limits{
		MaxConnections: uint64(c.MaxConnections),
		HighWater:      uint64(c.HighWater),
		LowWater:       uint64(c.LowWater),
		SendQueueLimit: uint64(c.SendQueueLimit),
		WriteTimeout:   durationpb.New(c.WriteTimeout),
		IdleTimeout:    durationpb.New(c.IdleTimeout),
		IdleAction:     g.Config.IdleAction.String(),
		DrainTimeout:   durationpb.New(g.Config.DrainTimeout),
		EventLogSize:   uint64(g.EventLogSize),
	}
}

func totals(t *server.Totals) *pb.Totals {
	closed := make(map[string]uint64, len(t.Closed))
	for reason, n := range t.Closed {
		closed[reason.String()] = n
	}
	return &pb.Totals{
		Connections:    uint64(t.Connections),
		Accepted:       t.Accepted,
		Refused:        t.Refused,
		AcceptErrors:   t.AcceptErrors,
		Closed:         closed,
		BytesReceived:  t.BytesReceived,
		BytesSent:      t.BytesSent,
		BytesUnsent:    t.BytesUnsent,
		BytesDiscarded: t.BytesDiscarded,
		SendsDropped:   t.SendsDropped,
		ReadPauses:     t.ReadPauses,
		EventStreams:   t.EventStreams,
		EventsMissed:   t.EventsMissed,
	}
}
