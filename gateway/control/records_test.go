package control

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestRecords checks that a request that would take far more memory than it has bytes is refused before it is decoded,
// and that the largest valid ones are decoded.
func TestRecords(t *testing.T) {
	kick := &pb.KickRequest{Farewell: make([]byte, 64<<10), Scope: &pb.Scope{}}
	for range 1000 {
		kick.ConnectionIds = append(kick.ConnectionIds, strings.Repeat("x", 256))
		kick.Scope.Nodes = append(kick.Scope.Nodes, strings.Repeat("n", 32))
	}
	marshal := func(m proto.Message) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	repeat := func(field protowire.Number, value string, n int) (b []byte) {
		for range n {
			b = protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), value)
		}
		return b
	}
	scope := (&pb.ListConnectionsRequest{}).ProtoReflect().Descriptor().Fields().ByName("scope").Number()
	types := (&pb.StreamEventsRequest{}).ProtoReflect().Descriptor().Fields().ByName("types").Number()
	nodes := (&pb.Scope{}).ProtoReflect().Descriptor().Fields().ByName("nodes").Number()
	for name, c := range map[string]struct {
		message proto.Message
		wire    []byte
		ok      bool
	}{
		"largest kick":     {&pb.KickRequest{}, marshal(kick), true},
		"largest send":     {&pb.SendRequest{}, marshal(&pb.SendRequest{Data: make([]byte, 1<<20)}), true},
		"empty IDs":        {&pb.KickRequest{}, repeat(1, "", 500_000), false},
		"empty scopes":     {&pb.ListConnectionsRequest{}, repeat(scope, "", 500_000), false},
		"empty nodes":      {&pb.ListConnectionsRequest{}, repeat(scope, string(repeat(nodes, "", 500_000)), 1), false},
		"packed types":     {&pb.StreamEventsRequest{}, repeat(types, strings.Repeat("\x01", 1<<20), 1), false},
		"large unknown":    {&pb.GetGatewayRequest{}, repeat(999, strings.Repeat("x", 1<<20), 1), true},
		"many unknown":     {&pb.GetGatewayRequest{}, repeat(999, "", 500_000), false},
		"cut":              {&pb.SendRequest{}, marshal(&pb.SendRequest{Data: make([]byte, 1<<20)})[:1<<19], false},
		"not even a field": {&pb.SendRequest{}, []byte(strings.Repeat("\xff", 1<<20)), false},
	} {
		err := unmarshal(c.wire, c.message)
		if (err == nil) != c.ok {
			t.Errorf("%s: %v; expected ok: %t", name, err, c.ok)
		}
	}
}
