package control

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/ipnet"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	maxMaskPaths    = 64
	maxListeners    = 1000   // of listener_connections
	maxNetworks     = 10_000 // of allow and of deny
	maxLimitTimeout = 10 * 365 * 24 * time.Hour
)

// limits converts limits, and what else of the configuration is one and cannot be changed.
func limits(l *server.Limits, g *server.GatewayInfo) *pb.Limits {
	return &pb.Limits{
		MaxConnections:            uint64(l.MaxConnections),
		HighWater:                 uint64(l.HighWater),
		LowWater:                  uint64(l.LowWater),
		SendQueueLimit:            uint64(l.SendQueueLimit),
		WriteTimeout:              durationpb.New(l.WriteTimeout),
		IdleTimeout:               durationpb.New(l.IdleTimeout),
		IdleAction:                g.Config.IdleAction.String(),
		DrainTimeout:              durationpb.New(g.Config.DrainTimeout),
		EventLogSize:              uint64(g.EventLogSize),
		ListenerConnections:       listenerConnections(l.ListenerConnections),
		ConnectionsPerIp:          uint64(l.ConnectionsPerIP),
		ConnectionsPerIpv6Network: uint64(l.ConnectionsPerIPv6Network),
		AcceptRate:                l.AcceptRate,
		AcceptBurst:               uint64(l.AcceptBurst),
		AcceptRatePerIp:           l.AcceptRatePerIP,
		AcceptBurstPerIp:          uint64(l.AcceptBurstPerIP),
		ReceiveRate:               uint64(l.ReceiveRate),
		ReceiveMessageRate:        uint64(l.ReceiveMessageRate),
		HandshakeTimeout:          durationpb.New(l.HandshakeTimeout),
		MaxHandshakes:             uint64(l.MaxHandshakes),
		FirstByteTimeout:          durationpb.New(l.FirstByteTimeout),
		Allow:                     networkTexts(l.Allow),
		Deny:                      networkTexts(l.Deny),
		QueueBudget:               uint64(l.QueueBudget),
	}
}

func listenerConnections(most map[string]int) map[string]uint64 {
	out := make(map[string]uint64, len(most))
	for name, n := range most {
		out[name] = uint64(n)
	}
	return out
}

func networkTexts(networks []netip.Prefix) []string {
	out := make([]string, len(networks))
	for i, n := range networks {
		out[i] = n.String()
	}
	return out
}

// limitsNow returns the limits in force, for a caller; l are those that can be changed.
func (s *Service) limitsNow(ctx context.Context, l *server.Limits) (*pb.Limits, error) {
	info := s.gateway.Gateway()
	return limits(l, &info), nil
}

// GetLimits returns the limits.
func (s *Service) GetLimits(ctx context.Context, _ *pb.GetLimitsRequest) (*pb.GetLimitsResponse, error) {
	l, err := s.gateway.Limits(ctx)
	if err != nil {
		return nil, err
	}
	now, err := s.limitsNow(ctx, &l)
	if err != nil {
		return nil, err
	}
	return &pb.GetLimitsResponse{Limits: now}, nil
}

// UpdateLimits changes limits, all or none.
func (s *Service) UpdateLimits(ctx context.Context, r *pb.UpdateLimitsRequest) (*pb.UpdateLimitsResponse, error) {
	changes, err := meaningOf(ctx, r, limitChanges)
	if err != nil {
		return nil, err
	}
	l, err := s.gateway.UpdateLimits(ctx, server.UpdateLimitsRequest{Change: changes.apply, Changes: changes.words, Actor: auth.Actor(ctx)})
	if err != nil {
		return nil, err
	}
	now, err := s.limitsNow(ctx, &l)
	if err != nil {
		return nil, err
	}
	return &pb.UpdateLimitsResponse{Limits: now}, nil
}

// changes are what a request wants to change of the limits.
type changes struct {
	sets  []func(*server.Limits)
	words map[string]string // the new values, by the fields' names, for the record
}

// apply changes limits.
func (c *changes) apply(l *server.Limits) {
	for _, set := range c.sets {
		set(l)
	}
}

// fixedLimits are the fields of Limits that cannot be changed while the gateway serves.
var fixedLimits = []string{"low_water", "idle_action", "drain_timeout", "event_log_size"}

// limitChanges reads the changes that a request's mask names. The error is a *boundsError.
func limitChanges(r *pb.UpdateLimitsRequest) (*changes, error) {
	const mask = "update_mask"
	paths := r.GetUpdateMask().GetPaths()
	c := &changes{words: make(map[string]string)}
	v := valuesOf(r.GetLimits())
	if err := contract.First(
		contract.Check(len(paths) > 0, mask, "it names no field; expected at least one of Limits, for example max_connections"),
		contract.Check(len(paths) <= maxMaskPaths, mask, "%d fields; expected at most %d", len(paths), maxMaskPaths),
	); err != nil {
		return nil, err
	}
	for _, path := range paths {
		value, known := v[path]
		if err := contract.First(
			contract.Check(!slices.Contains(fixedLimits, path), mask, "%s cannot be changed while the gateway serves; set it in its configuration", path),
			contract.Check(known, mask, "%.50q is no field of Limits that can be changed; expected one of %s", path, strings.Join(slices.Sorted(maps.Keys(v)), ", ")),
		); err != nil {
			return nil, err
		}
		set, words, err := value("limits." + path)
		if err != nil {
			return nil, err
		}
		c.sets = append(c.sets, set)
		c.words[path] = words
	}
	return c, nil
}

// limitValue checks the value of a field, and returns what sets it and how it is told. The error is a *boundsError.
type limitValue func(field string) (set func(*server.Limits), words string, err error)

// valuesOf has the values of the limits that can be changed, by their fields' names.
func valuesOf(l *pb.Limits) map[string]limitValue {
	return map[string]limitValue{
		"max_connections":              whole(l.GetMaxConnections(), func(l *server.Limits, n int) { l.MaxConnections = n }),
		"high_water":                   needed(l.GetHighWater() > 0, whole(l.GetHighWater(), func(l *server.Limits, n int) { l.HighWater = n })),
		"send_queue_limit":             needed(l.GetSendQueueLimit() > 0, whole(l.GetSendQueueLimit(), func(l *server.Limits, n int) { l.SendQueueLimit = n })),
		"write_timeout":                needed(l.GetWriteTimeout().AsDuration() != 0, timeout(l.GetWriteTimeout(), func(l *server.Limits, d time.Duration) { l.WriteTimeout = d })),
		"idle_timeout":                 timeout(l.GetIdleTimeout(), func(l *server.Limits, d time.Duration) { l.IdleTimeout = d }),
		"listener_connections":         byListener(l.GetListenerConnections()),
		"connections_per_ip":           whole(l.GetConnectionsPerIp(), func(l *server.Limits, n int) { l.ConnectionsPerIP = n }),
		"connections_per_ipv6_network": whole(l.GetConnectionsPerIpv6Network(), func(l *server.Limits, n int) { l.ConnectionsPerIPv6Network = n }),
		"accept_rate":                  rate(l.GetAcceptRate(), func(l *server.Limits, r float64) { l.AcceptRate = r }),
		"accept_burst":                 whole(l.GetAcceptBurst(), func(l *server.Limits, n int) { l.AcceptBurst = n }),
		"accept_rate_per_ip":           rate(l.GetAcceptRatePerIp(), func(l *server.Limits, r float64) { l.AcceptRatePerIP = r }),
		"accept_burst_per_ip":          whole(l.GetAcceptBurstPerIp(), func(l *server.Limits, n int) { l.AcceptBurstPerIP = n }),
		"receive_rate":                 whole(l.GetReceiveRate(), func(l *server.Limits, n int) { l.ReceiveRate = n }),
		"receive_message_rate":         whole(l.GetReceiveMessageRate(), func(l *server.Limits, n int) { l.ReceiveMessageRate = n }),
		"handshake_timeout":            needed(l.GetHandshakeTimeout().AsDuration() != 0, timeout(l.GetHandshakeTimeout(), func(l *server.Limits, d time.Duration) { l.HandshakeTimeout = d })),
		"max_handshakes":               needed(l.GetMaxHandshakes() > 0, whole(l.GetMaxHandshakes(), func(l *server.Limits, n int) { l.MaxHandshakes = n })),
		"first_byte_timeout":           timeout(l.GetFirstByteTimeout(), func(l *server.Limits, d time.Duration) { l.FirstByteTimeout = d }),
		"allow":                        networks(l.GetAllow(), func(l *server.Limits, n []netip.Prefix) { l.Allow = n }),
		"deny":                         networks(l.GetDeny(), func(l *server.Limits, n []netip.Prefix) { l.Deny = n }),
		"queue_budget":                 whole(l.GetQueueBudget(), func(l *server.Limits, n int) { l.QueueBudget = n }),
	}
}

// whole is the value of a limit that is a number.
func whole(n uint64, set func(*server.Limits, int)) limitValue {
	return func(field string) (func(*server.Limits), string, error) {
		return func(l *server.Limits) { set(l, int(n)) }, strconv.FormatUint(n, 10), contract.Check(n <= math.MaxInt, field, "%d; expected at most %d", n, math.MaxInt)
	}
}

// needed is the value of a limit that the gateway cannot do without. 0 is refused: it would silently become the
// default, and the record would say 0.
func needed(given bool, value limitValue) limitValue {
	return func(field string) (func(*server.Limits), string, error) {
		if err := contract.Check(given, field, "0 or absent; expected more than 0, because there is no doing without it"); err != nil {
			return nil, "", err
		}
		return value(field)
	}
}

// rate is the value of a limit that is a rate a second.
func rate(r float64, set func(*server.Limits, float64)) limitValue {
	return func(field string) (func(*server.Limits), string, error) {
		return func(l *server.Limits) { set(l, r) }, strconv.FormatFloat(r, 'g', -1, 64),
			contract.Check(r >= 0 && r <= math.MaxInt32, field, "%g a second; expected 0 (no limit) to %d", r, math.MaxInt32)
	}
}

// timeout is the value of a limit that is a duration; absent is 0.
func timeout(d *durationpb.Duration, set func(*server.Limits, time.Duration)) limitValue {
	return func(field string) (func(*server.Limits), string, error) {
		return func(l *server.Limits) { set(l, d.AsDuration()) }, d.AsDuration().String(), period(field, d, maxLimitTimeout)
	}
}

// byListener is the value of listener_connections.
func byListener(most map[string]uint64) limitValue {
	return func(field string) (func(*server.Limits), string, error) {
		if err := contract.Check(len(most) <= maxListeners, field, "%d listeners; expected at most %d", len(most), maxListeners); err != nil {
			return nil, "", err
		}
		converted := make(map[string]int, len(most))
		var words []string
		for _, name := range slices.Sorted(maps.Keys(most)) {
			if err := contract.Check(most[name] <= math.MaxInt, field, "%d for %.50q; expected at most %d", most[name], name, math.MaxInt); err != nil {
				return nil, "", err
			}
			converted[name] = int(most[name])
			words = append(words, fmt.Sprintf("%s=%d", name, most[name]))
		}
		return func(l *server.Limits) { l.ListenerConnections = converted }, listed(words), nil
	}
}

// networks is the value of a list of networks. Bits behind a prefix are refused: whoever writes them may mean something
// else.
func networks(texts []string, set func(*server.Limits, []netip.Prefix)) limitValue {
	return func(field string) (func(*server.Limits), string, error) {
		if err := contract.Check(len(texts) <= maxNetworks, field, "%d networks; expected at most %d", len(texts), maxNetworks); err != nil {
			return nil, "", err
		}
		var parsed []netip.Prefix
		for _, s := range texts {
			n, exact, err := ipnet.ParseExact(s)
			if err := contract.First(
				contract.Check(err == nil, field, "%.50q is no network; expected CIDR form, for example 10.0.0.0/8, 203.0.113.7/32 or 2001:db8::/32", s),
				contract.Check(exact, field, "%.50q has bits behind its prefix; expected %s, or a longer prefix", s, n.Masked()),
			); err != nil {
				return nil, "", err
			}
			parsed = append(parsed, n)
		}
		return func(l *server.Limits) { set(l, parsed) }, listed(texts), nil
	}
}

// listed tells the elements of a list: the first ones, and how many there are when that is too long for the record.
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
