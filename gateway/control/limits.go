package control

import (
	"context"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Bounds of limits.
const (
	maxMaskPaths    = 64
	maxListeners    = 1000   // of listener_connections
	maxNetworks     = 10_000 // of allow, and of deny
	maxLimitTimeout = 10 * 365 * 24 * time.Hour
)

// limits converts the limits that can change, and adds the fixed ones from the rest of the configuration.
func limits(l *server.Limits, g *server.GatewayInfo) *pb.Limits {
	out := &pb.Limits{
		IdleAction:   g.Config.IdleAction.String(),
		DrainTimeout: durationpb.New(g.Config.DrainTimeout),
		EventLogSize: uint64(g.EventLogSize),
	}
	for i := range limitFields {
		limitFields[i].put(l, out.ProtoReflect())
	}
	return out
}

// limitsNow converts the limits in force. Those in l are the ones that can change.
func (s *Service) limitsNow(l *server.Limits) *pb.Limits {
	info := s.gateway.Gateway()
	return limits(l, &info)
}

// GetLimits returns the limits in force.
func (s *Service) GetLimits(_ context.Context, _ *pb.GetLimitsRequest) (*pb.GetLimitsResponse, error) {
	l := s.gateway.Limits()
	return &pb.GetLimitsResponse{Limits: s.limitsNow(&l)}, nil
}

// UpdateLimits changes limits, all or none.
func (s *Service) UpdateLimits(ctx context.Context, r *pb.UpdateLimitsRequest) (*pb.UpdateLimitsResponse, error) {
	changes, err := meaningOf(ctx, r, limitChanges)
	if err != nil {
		return nil, err
	}
	l, err := s.gateway.UpdateLimits(server.UpdateLimitsRequest{Change: changes.apply, Changes: changes.words,
		Actor: auth.Actor(ctx)})
	if err != nil {
		return nil, err
	}
	return &pb.UpdateLimitsResponse{Limits: s.limitsNow(&l)}, nil
}

// changes are the limits that a request changes.
type changes struct {
	sets  []func(*server.Limits)
	words map[string]string // the new values by field name, for the record
}

func (c *changes) apply(l *server.Limits) {
	for _, set := range c.sets {
		set(l)
	}
}

// limitChanges reads the changes that a request's mask names. The error is a *contract.BoundsError.
func limitChanges(r *pb.UpdateLimitsRequest) (*changes, error) {
	const mask = "update_mask"
	paths := r.GetUpdateMask().GetPaths()
	if err := contract.First(
		contract.Check(len(paths) > 0, mask,
			"it names no field; expected at least one of Limits, for example max_connections"),
		contract.Check(len(paths) <= maxMaskPaths, mask, "%d fields; expected at most %d", len(paths), maxMaskPaths),
	); err != nil {
		return nil, err
	}
	c := &changes{words: make(map[string]string)}
	for _, path := range paths {
		f := changeableLimit(path)
		if f == nil {
			return nil, notChangeable(mask, path)
		}
		set, words, err := f.take(r.GetLimits())
		if err != nil {
			return nil, err
		}
		c.sets = append(c.sets, set)
		c.words[path] = words
	}
	return c, nil
}

// notChangeable explains why a mask's path is refused.
func notChangeable(mask, path string) error {
	return contract.First(
		contract.Check(!isFixedLimit(path), mask,
			"%s cannot be changed while the gateway serves; set it in its configuration", path),
		contract.Check(false, mask, "%.50q is no field of Limits that can be changed; expected one of %s", path,
			strings.Join(changeableNames(), ", ")),
	)
}
