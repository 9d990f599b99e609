package filter

import (
	"fmt"
	"iter"
	"math"
	"net/netip"
	"time"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"

	"github.com/sockgate/sockgate/gateway/event"
)

// variable is a name that expressions can use, with its value for a connection.
type variable struct {
	name string
	typ  *cel.Type
	size uint64 // for a string: the greatest length that the cost estimate assumes, in bytes
	read func(*input) ref.Val
}

// variables are in the order of the documentation and of error messages.
var variables = [...]variable{
	{"id", cel.StringType, 80, func(in *input) ref.Val { return types.String(in.info.ID()) }},
	{"node", cel.StringType, 32, func(in *input) ref.Val { return types.String(in.info.Origin.Node) }},
	{"listener", cel.StringType, maxText, func(in *input) ref.Val { return types.String(in.info.Listener.Name) }},
	{"remote_address", cel.StringType, 128, func(in *input) ref.Val { return types.String(in.info.RemoteAddr()) }},
	{"remote_ip", cel.StringType, 64, func(in *input) ref.Val { return ip(in.info.Remote) }},
	{"remote_port", cel.IntType, 0, func(in *input) ref.Val { return types.Int(in.info.Remote.Port()) }},
	{"local_address", cel.StringType, 128, func(in *input) ref.Val { return types.String(in.info.LocalAddr()) }},
	{"local_ip", cel.StringType, 64, func(in *input) ref.Val { return ip(in.info.Local) }},
	{"local_port", cel.IntType, 0, func(in *input) ref.Val { return types.Int(in.info.Local.Port()) }},
	{"connected_at", cel.TimestampType, 0, func(in *input) ref.Val { return moment(in.info.ConnectedAt) }},
	{"last_active_at", cel.TimestampType, 0, func(in *input) ref.Val { return moment(in.info.LastActiveAt) }},
	{"closed_at", cel.TimestampType, 0, func(in *input) ref.Val { return moment(in.info.ClosedAt) }},
	{"age", cel.DurationType, 0, func(in *input) ref.Val { return in.since(in.info.ConnectedAt) }},
	{"idle", cel.DurationType, 0, func(in *input) ref.Val { return in.since(in.info.LastActiveAt) }},
	{"bytes_received", cel.IntType, 0, func(in *input) ref.Val { return count(in.info.BytesReceived) }},
	{"bytes_sent", cel.IntType, 0, func(in *input) ref.Val { return count(in.info.BytesSent) }},
	{"queued_bytes", cel.IntType, 0, func(in *input) ref.Val { return count(in.info.QueuedBytes) }},
	{"read_paused", cel.BoolType, 0, func(in *input) ref.Val { return types.Bool(in.info.ReadPaused) }},
	{"state", cel.StringType, 32, func(in *input) ref.Val { return nameOf(stateNames, in.info.State) }},
	{"close_reason", cel.StringType, 32, func(in *input) ref.Val { return nameOf(reasonNames, in.info.CloseReason) }},
	{"close_text", cel.StringType, maxText, func(in *input) ref.Val { return types.String(in.info.CloseText) }},
	{"closed_by", cel.StringType, maxText, func(in *input) ref.Val { return types.String(in.info.ClosedBy) }},
	{"tls_version", cel.StringType, 255, func(in *input) ref.Val { return types.String(in.info.Known().TLSVersion) }},
	{"tls_cipher", cel.StringType, 255, func(in *input) ref.Val { return types.String(in.info.Known().Cipher) }},
	{"tls_protocol", cel.StringType, 255, func(in *input) ref.Val { return types.String(in.info.Known().Protocol) }},
	{"tls_server_name", cel.StringType, 255, func(in *input) ref.Val { return types.String(in.info.Known().ServerName) }},
	{"peer_identity", cel.StringType, 1024, func(in *input) ref.Val { return types.String(in.info.Known().Identity) }},
	{"proxy_address", cel.StringType, 64, func(in *input) ref.Val { return types.String(in.info.ProxyAddr()) }},
	{"proxy_ip", cel.StringType, 64, func(in *input) ref.Val { return ip(in.info.Known().Proxy) }},
	{"handler_instance", cel.StringType, 64, func(in *input) ref.Val { return types.String(in.info.Instance) }},
	{"unacknowledged_bytes", cel.IntType, 0, func(in *input) ref.Val { return count(in.info.Unacknowledged) }},
	{labelsName, cel.MapType(cel.StringType, cel.StringType), 0, func(in *input) ref.Val { return in.labelMap() }},
}

// maxText is the length that the cost estimate assumes for strings that the contract does not bound, in bytes.
const maxText = 512

// byName has the variables by their names.
var byName = func() map[string]*variable {
	m := make(map[string]*variable, len(variables))
	for i := range variables {
		m[variables[i].name] = &variables[i]
	}
	return m
}()

// variableNames returns the names in the order of variables.
func variableNames() []string {
	names := make([]string, len(variables))
	for i := range variables {
		names[i] = variables[i].name
	}
	return names
}

// The names of the states and of the close reasons by number. They are made once, so that reading one allocates
// nothing.
var (
	stateNames  = append([]ref.Val{types.String(event.State(0).String())}, enumValues(event.States())...)
	reasonNames = enumValues(event.Reasons())
)

// enumValues returns the names of an enum's values as CEL values.
func enumValues[E fmt.Stringer](all iter.Seq[E]) []ref.Val {
	var values []ref.Val
	for _, name := range enumNames(all) {
		values = append(values, types.String(name))
	}
	return values
}

// nameOf returns the name of an enum's value; an unknown value is its number.
func nameOf[E interface {
	~uint8
	String() string
}](names []ref.Val, e E) ref.Val {
	if int(e) < len(names) {
		return names[e]
	}
	return types.String(e.String())
}

// ip returns an address without its port. An IPv4 address is never in its IPv6 form; a unix socket has the empty
// string.
func ip(a netip.AddrPort) ref.Val {
	if !a.Addr().IsValid() {
		return types.String("")
	}
	return types.String(a.Addr().Unmap().String())
}

// count returns a counter as a CEL int, the type of literals; beyond the range of int it is the largest int.
func count(n uint64) ref.Val { return types.Int(min(n, math.MaxInt64)) }

// moment returns a timestamp in UTC, because CEL writes a timestamp in its own zone.
func moment(t time.Time) ref.Val { return types.Timestamp{Time: t.UTC()} }
