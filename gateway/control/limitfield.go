package control

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/ipnet"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// limitField pairs a field of the contract's Limits with the server's field.
//
// A new limit needs a field of Limits in proto with its rule, a field of server.Limits with its default and its check,
// a row of limitFields, and a flag in gateway/daemon/limitflags.go. ctl finds it in the contract's descriptor.
type limitField struct {
	name protoreflect.Name
	of   func(*server.Limits) any // a pointer to the server's field
	zero time.Duration            // the server's value for a time of 0; 0 unless the server takes 0 for its default
}

// limitFields are the limits of server.Limits: every limit of the contract that can be changed, and low_water.
var limitFields = []limitField{
	{name: "max_connections", of: func(l *server.Limits) any { return &l.MaxConnections }},
	{name: "high_water", of: func(l *server.Limits) any { return &l.HighWater }},
	{name: "low_water", of: func(l *server.Limits) any { return &l.LowWater }},
	{name: "send_queue_limit", of: func(l *server.Limits) any { return &l.SendQueueLimit }},
	{name: "write_timeout", of: func(l *server.Limits) any { return &l.WriteTimeout }},
	{name: "idle_timeout", of: func(l *server.Limits) any { return &l.IdleTimeout }},
	{name: "listener_connections", of: func(l *server.Limits) any { return &l.ListenerConnections }},
	{name: "connections_per_ip", of: func(l *server.Limits) any { return &l.ConnectionsPerIP }},
	{name: "connections_per_ipv6_network", of: func(l *server.Limits) any { return &l.ConnectionsPerIPv6Network }},
	{name: "accept_rate", of: func(l *server.Limits) any { return &l.AcceptRate }},
	{name: "accept_burst", of: func(l *server.Limits) any { return &l.AcceptBurst }},
	{name: "accept_rate_per_ip", of: func(l *server.Limits) any { return &l.AcceptRatePerIP }},
	{name: "accept_burst_per_ip", of: func(l *server.Limits) any { return &l.AcceptBurstPerIP }},
	{name: "receive_rate", of: func(l *server.Limits) any { return &l.ReceiveRate }},
	{name: "receive_message_rate", of: func(l *server.Limits) any { return &l.ReceiveMessageRate }},
	{name: "handshake_timeout", of: func(l *server.Limits) any { return &l.HandshakeTimeout }},
	{name: "max_handshakes", of: func(l *server.Limits) any { return &l.MaxHandshakes }},
	{name: "first_byte_timeout", of: func(l *server.Limits) any { return &l.FirstByteTimeout }},
	{name: "allow", of: func(l *server.Limits) any { return &l.Allow }},
	{name: "deny", of: func(l *server.Limits) any { return &l.Deny }},
	{name: "queue_budget", of: func(l *server.Limits) any { return &l.QueueBudget }},
	{name: "hold_timeout", of: func(l *server.Limits) any { return &l.HoldTimeout }, zero: server.NoHold},
	{name: "max_held", of: func(l *server.Limits) any { return &l.MaxHeld }},
	{name: "admit_timeout", of: func(l *server.Limits) any { return &l.AdmitTimeout }},
	{name: "handler_window", of: func(l *server.Limits) any { return &l.HandlerWindow }},
	{name: "handler_budget", of: func(l *server.Limits) any { return &l.HandlerBudget }},
}

// rule is the contract's rule of the field.
func (f *limitField) rule() *pb.LimitRule { return ruleOf(limitDescriptors().ByName(f.name)) }

// limitDescriptors are the fields of the contract's Limits.
func limitDescriptors() protoreflect.FieldDescriptors {
	return (*pb.Limits)(nil).ProtoReflect().Descriptor().Fields()
}

// ruleOf is the rule of a field of the contract's Limits; nil, which has only zeros, when it has none.
func ruleOf(d protoreflect.FieldDescriptor) *pb.LimitRule {
	rule, _ := proto.GetExtension(d.Options(), pb.E_LimitRule).(*pb.LimitRule)
	return rule
}

// changeableLimit returns the field that a mask's path names, or nil if there is none that can change.
func changeableLimit(path string) *limitField {
	i := slices.IndexFunc(limitFields, func(f limitField) bool { return string(f.name) == path && !f.rule().GetFixed() })
	if i < 0 {
		return nil
	}
	return &limitFields[i]
}

// isFixedLimit reports whether a mask's path names a limit that cannot be changed.
func isFixedLimit(path string) bool {
	d := limitDescriptors().ByName(protoreflect.Name(path))
	return d != nil && ruleOf(d).GetFixed()
}

// changeableNames returns the paths that a mask may contain, sorted.
func changeableNames() []string {
	var names []string
	for _, f := range limitFields {
		if !f.rule().GetFixed() {
			names = append(names, string(f.name))
		}
	}
	slices.Sort(names)
	return names
}

// put converts the server's value to the contract's field.
func (f *limitField) put(l *server.Limits, m protoreflect.Message) {
	d := m.Descriptor().Fields().ByName(f.name)
	switch v := f.of(l).(type) {
	case *int:
		m.Set(d, protoreflect.ValueOfUint64(uint64(*v)))
	case *float64:
		m.Set(d, protoreflect.ValueOfFloat64(*v))
	case *time.Duration:
		m.Set(d, protoreflect.ValueOfMessage(durationpb.New(f.told(*v)).ProtoReflect()))
	case *map[string]int:
		counts := m.Mutable(d).Map()
		for name, n := range *v {
			counts.Set(protoreflect.ValueOfString(name).MapKey(), protoreflect.ValueOfUint64(uint64(n)))
		}
	case *[]netip.Prefix:
		networks := m.Mutable(d).List()
		for _, n := range *v {
			networks.Append(protoreflect.ValueOfString(n.String()))
		}
	}
}

// told returns the contract's value of a time.
func (f *limitField) told(d time.Duration) time.Duration {
	if d == f.zero {
		return 0
	}
	return d
}

// take checks the contract's field. It returns a function that sets the server's field, and the new value in the words
// of the record. The error is a *contract.BoundsError.
func (f *limitField) take(l *pb.Limits) (set func(*server.Limits), words string, err error) {
	m := l.ProtoReflect()
	v := m.Get(m.Descriptor().Fields().ByName(f.name))
	field := "limits." + string(f.name)
	switch f.of(new(server.Limits)).(type) {
	case *int:
		return f.takeCount(field, v.Uint())
	case *float64:
		return f.takeRate(field, v.Float())
	case *time.Duration:
		d, _ := v.Message().Interface().(*durationpb.Duration)
		return f.takePeriod(field, d)
	case *map[string]int:
		return f.takeCounts(field, countsOf(v.Map()))
	default:
		return f.takeNetworks(field, v.List())
	}
}

// setting returns a function that sets the server's field, which is a T.
func setting[T any](f *limitField, value T) func(*server.Limits) {
	return func(l *server.Limits) { *f.of(l).(*T) = value }
}

// check refuses a request without a limit that the gateway cannot do without.
func (f *limitField) check(given bool, field string) error {
	return contract.Check(given || !f.rule().GetRequired(), field,
		"0 or absent; expected more than 0, because the gateway cannot do without it")
}

func (f *limitField) takeCount(field string, n uint64) (func(*server.Limits), string, error) {
	return setting(f, int(n)), strconv.FormatUint(n, 10), contract.First(f.check(n > 0, field),
		contract.Check(n <= math.MaxInt, field, "%d; expected at most %d", n, math.MaxInt))
}

func (f *limitField) takeRate(field string, r float64) (func(*server.Limits), string, error) {
	return setting(f, r), strconv.FormatFloat(r, 'g', -1, 64),
		contract.Check(r >= 0 && r <= math.MaxInt32, field, "%g a second; expected 0 (no limit) to %d", r, math.MaxInt32)
}

// takePeriod reads an absent duration as 0.
func (f *limitField) takePeriod(field string, d *durationpb.Duration) (func(*server.Limits), string, error) {
	return setting(f, cmp.Or(d.AsDuration(), f.zero)), d.AsDuration().String(),
		contract.First(f.check(d.AsDuration() != 0, field), period(field, d, maxLimitTimeout))
}

func (f *limitField) takeCounts(field string, most map[string]uint64) (func(*server.Limits), string, error) {
	if err := contract.Check(len(most) <= maxListeners, field, "%d listeners; expected at most %d", len(most),
		maxListeners); err != nil {
		return nil, "", err
	}
	converted := make(map[string]int, len(most))
	var words []string
	for _, name := range slices.Sorted(maps.Keys(most)) {
		if err := contract.Check(most[name] <= math.MaxInt, field, "%d for %.50q; expected at most %d", most[name], name,
			math.MaxInt); err != nil {
			return nil, "", err
		}
		converted[name] = int(most[name])
		words = append(words, fmt.Sprintf("%s=%d", name, most[name]))
	}
	return setting(f, converted), listed(words), nil
}

func countsOf(m protoreflect.Map) map[string]uint64 {
	counts := make(map[string]uint64, m.Len())
	m.Range(func(name protoreflect.MapKey, n protoreflect.Value) bool {
		counts[name.String()] = n.Uint()
		return true
	})
	return counts
}

func (f *limitField) takeNetworks(field string, texts protoreflect.List) (func(*server.Limits), string, error) {
	if err := contract.Check(texts.Len() <= maxNetworks, field, "%d networks; expected at most %d", texts.Len(),
		maxNetworks); err != nil {
		return nil, "", err
	}
	var parsed []netip.Prefix
	var words []string
	for i := range texts.Len() {
		n, err := parseNetwork(field, texts.Get(i).String())
		if err != nil {
			return nil, "", err
		}
		parsed, words = append(parsed, n), append(words, texts.Get(i).String())
	}
	return setting(f, parsed), listed(words), nil
}

// parseNetwork refuses bits after the prefix, because the caller may mean another network.
func parseNetwork(field, text string) (netip.Prefix, error) {
	n, exact, err := ipnet.ParseExact(text)
	return n, contract.First(
		contract.Check(err == nil, field,
			"%.50q is no network; expected CIDR form, for example 10.0.0.0/8, 203.0.113.7/32 or 2001:db8::/32", text),
		contract.Check(exact, field, "%.50q has bits behind its prefix; expected %s, or a longer prefix", text,
			n.Masked()),
	)
}

// listed formats the elements of a list. If that is too long for the record, it gives their number and the first ones.
func listed(elements []string) string {
	if len(elements) == 0 {
		return "none"
	}
	all := strings.Join(elements[:min(len(elements), contract.MaxText)], ",")
	if len(elements) > contract.MaxText || len(all) > contract.MaxText {
		return fmt.Sprintf("%d: %s", len(elements), contract.Short(all))
	}
	return all
}
