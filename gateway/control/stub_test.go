package control_test

import (
	"context"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// gateway is control.Gateway under a name that does not clash with its method Gateway.
type gateway = control.Gateway

// stub is a gateway whose every method first calls before, which may fail, wait or panic.
type stub struct {
	gateway
	before func(context.Context) error
}

func (s stub) List(ctx context.Context, r server.ListRequest) (server.ListPage, error) {
	if err := s.before(ctx); err != nil {
		return server.ListPage{}, err
	}
	return s.gateway.List(ctx, r)
}

func (s stub) Count(ctx context.Context, r server.CountRequest) (server.CountResult, error) {
	if err := s.before(ctx); err != nil {
		return server.CountResult{}, err
	}
	return s.gateway.Count(ctx, r)
}

func (s stub) Get(id string) (server.Connection, error) {
	if err := s.before(context.Background()); err != nil {
		return server.Connection{}, err
	}
	return s.gateway.Get(id)
}

func (s stub) Send(ctx context.Context, r server.SendRequest) (server.SendResult, error) {
	if err := s.before(ctx); err != nil {
		return server.SendResult{}, err
	}
	return s.gateway.Send(ctx, r)
}

func (s stub) Broadcast(ctx context.Context, r server.BroadcastRequest) (server.BroadcastResult, error) {
	if err := s.before(ctx); err != nil {
		return server.BroadcastResult{}, err
	}
	return s.gateway.Broadcast(ctx, r)
}

func (s stub) Kick(ctx context.Context, r server.KickRequest) (server.KickResult, error) {
	if err := s.before(ctx); err != nil {
		return server.KickResult{}, err
	}
	return s.gateway.Kick(ctx, r)
}

func (s stub) SetLabels(r server.LabelRequest) (server.LabelResult, error) {
	if err := s.before(context.Background()); err != nil {
		return server.LabelResult{}, err
	}
	return s.gateway.SetLabels(r)
}

func (s stub) UpdateLimits(r server.UpdateLimitsRequest) (server.Limits, error) {
	if err := s.before(context.Background()); err != nil {
		return server.Limits{}, err
	}
	return s.gateway.UpdateLimits(r)
}

func (s stub) AddBan(r server.AddBanRequest) (server.AddBanResult, error) {
	if err := s.before(context.Background()); err != nil {
		return server.AddBanResult{}, err
	}
	return s.gateway.AddBan(r)
}

func (s stub) ListBans(r server.ListBansRequest) (server.BanPage, error) {
	if err := s.before(context.Background()); err != nil {
		return server.BanPage{}, err
	}
	return s.gateway.ListBans(r)
}

func (s stub) RemoveBan(r server.RemoveBanRequest) (server.Ban, error) {
	if err := s.before(context.Background()); err != nil {
		return server.Ban{}, err
	}
	return s.gateway.RemoveBan(r)
}

func (s stub) Subscribe(r server.SubscribeRequest) (*event.Subscription, error) {
	if err := s.before(context.Background()); err != nil {
		return nil, err
	}
	return s.gateway.Subscribe(r)
}
