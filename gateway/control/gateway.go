package control

import (
	"context"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// Gateway is what the control plane drives: a *server.Server, whose page says what each method does, or a value that
// embeds one and replaces methods. It is this node alone: in a fleet, a *fleet.Node answers the calls, and has this
// node do its part by Local. Its methods may be called from any goroutine.
type Gateway interface {
	Gateway() server.GatewayInfo
	List(context.Context, server.ListRequest) (server.ListPage, error)
	Count(context.Context, server.CountRequest) (server.CountResult, error)
	Get(id string) (server.Connection, error)
	Send(context.Context, server.SendRequest) (server.SendResult, error)
	Broadcast(context.Context, server.BroadcastRequest) (server.BroadcastResult, error)
	Kick(context.Context, server.KickRequest) (server.KickResult, error)
	SetLabels(server.LabelRequest) (server.LabelResult, error)
	StartDrain(server.DrainRequest) server.DrainStatus
	Limits() server.Limits
	UpdateLimits(server.UpdateLimitsRequest) (server.Limits, error)
	AddBan(server.AddBanRequest) (server.AddBanResult, error)
	ListBans(server.ListBansRequest) (server.BanPage, error)
	RemoveBan(server.RemoveBanRequest) (server.Ban, error)
	Subscribe(server.SubscribeRequest) (*event.Subscription, error)
	Cursor() event.Cursor
	Log() *event.Log
}

var _ Gateway = (*server.Server)(nil)
