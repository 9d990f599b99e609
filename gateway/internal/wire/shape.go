package wire

import (
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// shape is a message type of the contract in the form that Claims go through encoded bytes with.
type shape struct {
	name     protoreflect.FullName
	fields   [maxNumber]*shapeField // by number; nil: a field of a newer version
	required []protowire.Number
	span     span // of a Timestamp or a Duration
}

// shapeField is a field of a shape.
type shapeField struct {
	name    protoreflect.Name
	wire    protowire.Type
	text    bool
	rule    rule
	most    uint16 // how often it may be in a message
	size    int    // the most bytes of its value, unless it is a message
	message *shape
}

// maxNumber is above every field number of the contract.
const maxNumber = 64

// Bounds of fields without one of their own.
const (
	maxElements = 10_000
	maxText     = 4096
)

// rule says what the value of a field must be.
type rule uint8

const (
	anyValue     rule = iota
	ownNode           // the node's name
	someNode          // the name of any node
	ownLife           // the node's incarnation
	ownID             // the ID of a connection of this life
	ownTarget         // as ownID; the incarnation may be written in another way
	ownCursor         // a position of this life, or empty
	ownPosition       // a position of any life of the node, `0`, or empty
	pageToken         // a token of a page
	natural           // a number that is not negative
	handlerName       // the name of a remote handler
	instanceName      // the name of an instance
)

// span is the range of seconds that a time may have.
type span struct{ least, most int64 }

var (
	timestamps = span{-62_135_596_800, 253_402_300_799}
	durations  = span{-315_576_000_000, 315_576_000_000}
)

// rules are the fields that say what a message is about.
var rules = map[protoreflect.FullName]rule{
	"sockgate.v1.Event.node":                              ownNode,
	"sockgate.v1.Event.incarnation":                       ownLife,
	"sockgate.v1.Connection.id":                           ownID,
	"sockgate.v1.Connection.node":                         ownNode,
	"sockgate.v1.TargetOutcome.id":                        ownTarget,
	"sockgate.v1.Ban.node":                                ownNode,
	"sockgate.v1.NodeLimits.node":                         ownNode,
	"sockgate.v1.NodeResult.node":                         ownNode,
	"sockgate.v1.Instance.node":                           ownNode,
	"sockgate.v1.HandlerStatus.node":                      ownNode,
	"sockgate.v1.GetGatewayResponse.node":                 ownNode,
	"sockgate.v1.GetGatewayResponse.incarnation":          ownLife,
	"sockgate.v1.GetGatewayResponse.cursor":               ownCursor,
	"sockgate.v1.ListConnectionsResponse.cursor":          ownCursor,
	"sockgate.v1.CountConnectionsResponse.cursor":         ownCursor,
	"sockgate.v1.StreamEventsResponse.cursor":             ownPosition,
	"sockgate.v1.SnapshotCompleteDetails.cursor":          ownCursor,
	"sockgate.v1.SnapshotCompleteDetails.missing_nodes":   ownNode,
	"sockgate.v1.GapDetails.requested_cursor":             ownPosition,
	"sockgate.v1.ControlDetails.via_node":                 someNode,
	"sockgate.v1.ControlDetails.NodesEntry.key":           someNode,
	"sockgate.v1.ListConnectionsResponse.next_page_token": pageToken,
	"sockgate.v1.ListBansResponse.next_page_token":        pageToken,
	"sockgate.v1.ListConnectionsResponse.total_size":      natural,
	"sockgate.v1.CountConnectionsResponse.total_size":     natural,
	"sockgate.v1.ListBansResponse.total_size":             natural,
	"sockgate.v1.Instance.handler":                        handlerName,
	"sockgate.v1.Instance.instance":                       instanceName,
	"sockgate.v1.HandlerStatus.handler":                   handlerName,
}

// required are the fields without which a message is about no node.
var required = map[protoreflect.FullName]bool{
	"sockgate.v1.Event.node":                     true,
	"sockgate.v1.Event.incarnation":              true,
	"sockgate.v1.Connection.id":                  true,
	"sockgate.v1.Connection.node":                true,
	"sockgate.v1.TargetOutcome.id":               true,
	"sockgate.v1.GetGatewayResponse.node":        true,
	"sockgate.v1.GetGatewayResponse.incarnation": true,
	"sockgate.v1.Instance.handler":               true,
	"sockgate.v1.Instance.instance":              true,
	"sockgate.v1.Instance.node":                  true,
	"sockgate.v1.HandlerStatus.handler":          true,
	"sockgate.v1.HandlerStatus.node":             true,
}

// elements are the most elements of lists, because a few bytes of a message become a hundred in memory.
var elements = map[protoreflect.FullName]uint16{
	"sockgate.v1.ListConnectionsResponse.connections":   contract.MaxPage,
	"sockgate.v1.ListBansResponse.bans":                 contract.MaxPage,
	"sockgate.v1.KickResponse.outcomes":                 contract.MaxIDs,
	"sockgate.v1.KickResponse.banned":                   contract.MaxIDs,
	"sockgate.v1.SetLabelsResponse.outcomes":            contract.MaxIDs,
	"sockgate.v1.BroadcastResponse.failures":            contract.MaxIDs,
	"sockgate.v1.CountConnectionsResponse.groups":       server.MaxGroups + 1,
	"sockgate.v1.StreamEventsResponse.events":           contract.BatchSize + 1, // a batch, and the end of a snapshot
	"sockgate.v1.Connection.labels":                     server.MaxLabels,
	"sockgate.v1.ControlDetails.connection_ids":         contract.MaxIDs,
	"sockgate.v1.GetLimitsResponse.nodes":               1,
	"sockgate.v1.UpdateLimitsResponse.nodes":            1,
	"sockgate.v1.FleetResult.nodes":                     1,
	"sockgate.v1.GetGatewayResponse.budgets":            100,
	"sockgate.v1.Budget.holders":                        100, // 10 now
	"sockgate.v1.SnapshotCompleteDetails.missing_nodes": 1,
	"sockgate.v1.ListInstancesResponse.instances":       1 << 15, // 32 handlers with 1,024 lanes each
}

// sizes are the most bytes of values with bounds of their own.
var sizes = map[protoreflect.FullName]int{
	"sockgate.v1.DataDetails.data":           contract.MaxDataBytes,
	"sockgate.v1.Connection.LabelsEntry.key": 3 * server.MaxLabelKey,
	"sockgate.v1.ConnectionGroup.value":      3 * contract.MaxText,
	"sockgate.v1.Limits.allow":               contract.MaxNetwork,
	"sockgate.v1.Limits.deny":                contract.MaxNetwork,
	// Each byte that is no text becomes three.
	"sockgate.v1.Connection.LabelsEntry.value": 3 * server.MaxLabelValue,
	"sockgate.v1.Connection.close_text":        3 * contract.MaxText,
	"sockgate.v1.ErrorDetails.message":         3 * contract.MaxText,
}

// shapes are the shapes of all responses, by name.
var shapes = sync.OnceValue(func() map[protoreflect.FullName]*shape {
	all := make(map[protoreflect.FullName]*shape)
	methods := pb.File_sockgate_v1_gateway_service_proto.Services().ByName("GatewayService").Methods()
	for i := range methods.Len() {
		shapeOf(methods.Get(i).Output(), all)
	}
	return all
})

// shapeOf adds the shape of a message type, and those of its fields, unless they are there.
func shapeOf(m protoreflect.MessageDescriptor, all map[protoreflect.FullName]*shape) *shape {
	if s := all[m.FullName()]; s != nil {
		return s
	}
	s := &shape{name: m.FullName()}
	all[s.name] = s
	switch s.name {
	case "google.protobuf.Timestamp":
		s.span = timestamps
	case "google.protobuf.Duration":
		s.span = durations
	}
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		s.fields[f.Number()] = fieldOf(f, all)
		if required[f.FullName()] {
			s.required = append(s.required, f.Number())
		}
	}
	return s
}

func fieldOf(d protoreflect.FieldDescriptor, all map[protoreflect.FullName]*shape) *shapeField {
	f := &shapeField{name: d.Name(), wire: wireType(d.Kind()), text: d.Kind() == protoreflect.StringKind,
		rule: rules[d.FullName()], most: 1, size: maxText}
	if d.Cardinality() == protoreflect.Repeated {
		f.most = maxElements
	}
	if most, ok := elements[d.FullName()]; ok {
		f.most = most
	}
	if size, ok := sizes[d.FullName()]; ok {
		f.size = size
	}
	if m := d.Message(); m != nil {
		f.message = shapeOf(m, all)
	}
	return f
}

// wireType is the wire type of a kind of the contract's fields.
func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.DoubleKind:
		return protowire.Fixed64Type
	}
	return protowire.VarintType
}
