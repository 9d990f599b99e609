// Package limits names, parses and prints the limits of a gateway, from the descriptor of sockgate.v1.Limits.
package limits

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/units"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Field is one field of Limits: its name on the command line and the form of its value. The contract is the only list
// of limits.
type Field struct{ d protoreflect.FieldDescriptor }

// Fields are all limits, in the order of the contract.
func Fields() []Field {
	fields := (&pb.Limits{}).ProtoReflect().Descriptor().Fields()
	all := make([]Field, fields.Len())
	for i := range all {
		all[i] = Field{fields.Get(i)}
	}
	return all
}

// Admission are the limits of admission. A gateway may run without them, and says nothing about them then.
func Admission() []Field {
	all := Fields()
	first := slices.IndexFunc(all, func(f Field) bool { return f.Name() == "listener-connections" })
	return all[first:]
}

// Name is the name on the command line, for example max-connections.
func (f Field) Name() string { return app.Kebab(f.path()) }

// path is the name in the contract, as a field mask has it.
func (f Field) path() string { return string(f.d.Name()) }

// settable reports whether the limit can be changed while the gateway runs.
func (f Field) settable() bool { return !f.rule().GetFixed() }

// inBytes reports whether the limit counts bytes.
func (f Field) inBytes() bool { return f.rule().GetBytes() }

// rule is the contract's rule of the limit; nil, which has only zeros, when it has none.
func (f Field) rule() *pb.LimitRule {
	rule, _ := proto.GetExtension(f.d.Options(), pb.E_LimitRule).(*pb.LimitRule)
	return rule
}

// IsSet reports whether the limit's value is not zero. For most limits zero means no limit.
func (f Field) IsSet(l *pb.Limits) bool {
	if f.d.Message() != nil && !f.d.IsMap() {
		return f.duration(l) != 0
	}
	return l.ProtoReflect().Has(f.d)
}

// duration is the value of a limit that is a time; an absent one is 0.
func (f Field) duration(l *pb.Limits) time.Duration {
	d, _ := l.ProtoReflect().Get(f.d).Message().Interface().(*durationpb.Duration)
	return d.AsDuration()
}

// Text is the value as people read it and as set reads it.
func (f Field) Text(l *pb.Limits) string {
	v := l.ProtoReflect().Get(f.d)
	switch {
	case !f.IsSet(l):
		return f.noneText()
	case f.d.IsMap():
		return countsByName(v.Map())
	case f.d.IsList():
		var networks []string
		for i := range v.List().Len() {
			networks = append(networks, v.List().Get(i).String())
		}
		return strings.Join(networks, ",")
	case f.d.Message() != nil:
		return units.ExactDuration(f.duration(l))
	case f.inBytes():
		return units.ExactBytes(v.Uint())
	case f.d.Kind() == protoreflect.DoubleKind:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	default:
		return v.String()
	}
}

// noneText is the word for a zero.
func (f Field) noneText() string {
	switch f.Name() {
	case "allow":
		return "all"
	case "accept-burst", "accept-burst-per-ip", "low-water", "event-log-size":
		return "0" // no lack of a limit
	case "hold-timeout":
		return "0s" // no waiting, rather than no end of it
	default:
		return "none"
	}
}

// set gives the limit the value of text.
func (f Field) set(l *pb.Limits, text string) error {
	m := l.ProtoReflect()
	if text == "none" && f.Name() == "hold-timeout" {
		return app.Usagef("%s=none is not possible: expected a duration of at most 1h, for example 30s; 0s closes a "+
			"connection at once when no instance can take it", f.Name())
	}
	if text == "none" || text == f.noneText() || text == "" && (f.d.IsMap() || f.d.IsList()) {
		if f.d.Message() != nil && !f.d.IsMap() {
			m.Set(f.d, protoreflect.ValueOfMessage(durationpb.New(0).ProtoReflect()))
			return nil
		}
		m.Clear(f.d)
		return nil
	}
	switch {
	case f.d.IsMap():
		return f.setCounts(m.Mutable(f.d).Map(), text)
	case f.d.IsList():
		return f.setNetworks(m.Mutable(f.d).List(), text)
	}
	v, err := f.parse(text)
	if err != nil {
		return app.Usagef("%s=%.100s is not possible: %v", f.Name(), text, err)
	}
	m.Set(f.d, v)
	return nil
}

// parse reads a single value.
func (f Field) parse(text string) (protoreflect.Value, error) {
	var none protoreflect.Value
	switch {
	case f.d.Message() != nil:
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return none, fmt.Errorf("expected a duration, for example 30s or 5m, or none")
		}
		return protoreflect.ValueOfMessage(durationpb.New(d).ProtoReflect()), nil
	case f.inBytes():
		n, err := units.ParseBytes(text)
		return protoreflect.ValueOfUint64(n), err
	case f.d.Kind() == protoreflect.DoubleKind:
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || !(n >= 0) || math.IsInf(n, 0) {
			return none, fmt.Errorf("expected a number a second, for example 100 or 2.5, or none")
		}
		return protoreflect.ValueOfFloat64(n), nil
	default:
		n, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return none, fmt.Errorf("expected a whole number, or none")
		}
		return protoreflect.ValueOfUint64(n), nil
	}
}

// setCounts reads `games=50,main=100`.
func (f Field) setCounts(m protoreflect.Map, text string) error {
	for pair := range strings.SplitSeq(text, ",") {
		// A listener without a name is called by its address, which has no "=".
		name, count, ok := strings.Cut(pair, "=")
		n, err := strconv.ParseUint(count, 10, 63)
		if !ok || name == "" || err != nil {
			return app.Usagef("%s=%.100s is not possible: expected LISTENER=COUNT, separated by commas, for example "+
				"games=50,main=100, or none", f.Name(), text)
		}
		if m.Has(protoreflect.ValueOfString(name).MapKey()) {
			return app.Usagef("%s names the listener %q twice", f.Name(), name)
		}
		m.Set(protoreflect.ValueOfString(name).MapKey(), protoreflect.ValueOfUint64(n))
	}
	return nil
}

// setNetworks reads `10.0.0.0/8,192.168.0.1`; an address alone is the network that has only it.
func (f Field) setNetworks(list protoreflect.List, text string) error {
	for part := range strings.SplitSeq(text, ",") {
		network, err := parseNetwork(strings.TrimSpace(part))
		if err != nil {
			return app.Usagef("%s=%.100s is not possible: %v", f.Name(), text, err)
		}
		list.Append(protoreflect.ValueOfString(network.String()))
	}
	return nil
}

// parseNetwork reads a network in CIDR form, or one address.
func parseNetwork(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%.100q is neither a network in CIDR form, for example 10.0.0.0/8, nor an IP "+
			"address", text)
	}
	return netip.PrefixFrom(addr, addr.BitLen()), nil
}

// countsByName shows a map in the order of its keys, as setCounts reads it.
func countsByName(m protoreflect.Map) string {
	var pairs []string
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		pairs = append(pairs, fmt.Sprintf("%s=%d", k.String(), v.Uint()))
		return true
	})
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}
