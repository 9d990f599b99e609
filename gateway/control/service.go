package control

import (
	"cmp"
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/control/internal/feed"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/share"
	"github.com/sockgate/sockgate/gateway/internal/turn"
	"github.com/sockgate/sockgate/gateway/internal/wire"
	"github.com/sockgate/sockgate/gateway/lane"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Service implements sockgate.v1.GatewayService for this node alone, except for methods that only a fleet can answer.
// Requests have been authorized and validated when they come here. Its methods may be called from any goroutine; their
// errors are those of the Gateway, and not yet statuses.
type Service struct {
	pb.UnsafeGatewayServiceServer
	gateway Gateway
	drain   time.Duration // grace period of a Shutdown that names none
	denials *auth.Denials // nil: no caller is denied anything
	most    int           // event streams of one identity
	streams *share.Pool   // of places for event streams
	turns   *turn.Turns
	memory  *share.Pool // for calls; nil: no bound
	lanes   *share.Pool // memory for lanes; nil: none
	// remote handlers; nil: none
	handlers *lane.Table
	// of the control plane's connections, once it serves
	listener atomic.Pointer[auth.Listener]
	feeds    feed.Feeds
	rows     sync.Pool // of *[]server.Connection: memory for the rows of a page
}

// turnSlots is how many turns of callers' work may be under way at once: one for every two processors, so that the
// others are left for the data plane.
func turnSlots() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// newService returns the service of a gateway. drainTimeout is the grace period of a Shutdown that names none.
func newService(g Gateway, drainTimeout time.Duration) *Service {
	return &Service{gateway: g, drain: drainTimeout, most: defaultIdentityStreams,
		handlers: lane.NewTable(), streams: share.New(maxEventStreams, maxEventStreams/adminPart),
		turns: turn.New(turnSlots()),
		rows:  sync.Pool{New: func() any { return new([]server.Connection) }}}
}

// ListConnections returns one page of connections.
func (s *Service) ListConnections(ctx context.Context, r *pb.ListConnectionsRequest) (*pb.ListConnectionsResponse,
	error) {
	token, err := s.pageToken(r)
	if err != nil {
		return nil, err
	}
	work := s.work(ctx)
	defer work.End()
	match, err := compile(work, r.GetFilter())
	if err != nil {
		return nil, err
	}
	memory := s.rows.Get().(*[]server.Connection)
	page, err := s.gateway.List(ctx, server.ListRequest{After: token.after, UpTo: token.upTo,
		Limit: contract.PageSize(r.GetPageSize()), State: listState(r.GetState()), Match: match, Buffer: *memory})
	if err != nil {
		return nil, err
	}
	defer s.reuse(memory, page.Connections)
	work.Begin()
	response := &pb.ListConnectionsResponse{TotalSize: int64(page.Total), Cursor: token.cursor.String()}
	if n := wire.SetRows(response, page.Connections, work.Step); n < len(page.Connections) {
		page.Next = page.Connections[n-1].Seq
	}
	if page.Next > 0 {
		token.after, token.upTo = page.Next, page.UpTo
		response.NextPageToken = token.encode()
	}
	return response, nil
}

// reuse keeps the memory of a page's rows for another page, and clears the references in them.
func (s *Service) reuse(memory *[]server.Connection, rows []server.Connection) {
	clear(rows)
	*memory = rows[:0]
	s.rows.Put(memory)
}

func listState(s pb.ListState) server.ListState {
	if s == pb.ListState_LIST_STATE_UNSPECIFIED {
		return server.ListLive
	}
	return server.ListState(s)
}

// CountConnections counts connections, in total and by group.
func (s *Service) CountConnections(ctx context.Context, r *pb.CountConnectionsRequest) (*pb.CountConnectionsResponse,
	error) {
	work := s.work(ctx)
	defer work.End()
	match, err := compile(work, r.GetFilter())
	if err != nil {
		return nil, err
	}
	by, err := meaningOf(ctx, r, groupBy)
	if err != nil {
		return nil, err
	}
	cursor := s.gateway.Cursor()
	result, err := s.gateway.Count(ctx, server.CountRequest{State: listState(r.GetState()), Match: match, By: by})
	if err != nil {
		return nil, err
	}
	return &pb.CountConnectionsResponse{Count: result.Count, TotalSize: int64(result.Total), Cursor: cursor.String(),
		Groups: groups(result.Groups), Other: result.Other}, nil
}

// groupBy parses a request's grouping. Without one it returns the zero GroupBy. The error is a *contract.BoundsError.
func groupBy(r *pb.CountConnectionsRequest) (server.GroupBy, error) {
	if r.GetBy() == "" {
		return server.GroupBy{}, nil
	}
	by, err := server.ParseGroupBy(r.GetBy())
	if err != nil {
		return by, &contract.BoundsError{Field: "by", Text: err.Error()}
	}
	return by, nil
}

// GetConnection returns one connection.
func (s *Service) GetConnection(ctx context.Context, r *pb.GetConnectionRequest) (*pb.GetConnectionResponse, error) {
	work := s.work(ctx)
	work.Begin()
	defer work.End()
	info, err := s.gateway.Get(r.GetId())
	if err != nil {
		return nil, err
	}
	return &pb.GetConnectionResponse{Connection: connection(&info)}, nil
}

// Send sends to one connection.
func (s *Service) Send(ctx context.Context, r *pb.SendRequest) (*pb.SendResponse, error) {
	request := server.SendRequest{ID: r.GetId(), Data: r.GetData(), Actor: auth.Actor(ctx)}
	if r.GetWait() == pb.SendWait_SEND_WAIT_WRITTEN {
		request.Wait = cmp.Or(r.GetWaitTimeout().AsDuration(), contract.DefaultSendWait)
	}
	result, err := s.gateway.Send(ctx, request)
	if err != nil {
		return nil, err
	}
	return &pb.SendResponse{Outcome: pb.Outcome(result.Outcome), QueuedBytes: result.Queued,
		UnsentBytes: result.Unsent}, nil
}

// Broadcast sends to many connections.
func (s *Service) Broadcast(ctx context.Context, r *pb.BroadcastRequest) (*pb.BroadcastResponse, error) {
	work := s.work(ctx)
	defer work.End()
	match, err := compile(work, r.GetFilter())
	if err != nil {
		return nil, err
	}
	result, err := s.gateway.Broadcast(ctx, server.BroadcastRequest{Data: r.GetData(), Match: match,
		Exclude:   r.GetExcludeIds(),
		RequestID: strings.ToLower(r.GetRequestId()), Actor: auth.Actor(ctx)})
	if err != nil {
		return nil, err
	}
	return &pb.BroadcastResponse{Matched: result.Matched, Written: result.Written, Queued: result.Queued,
		Dropped: result.Dropped,
		Closed:  result.Closed, Failures: outcomes(result.Failures), Replayed: result.Replayed}, nil
}

// targeted returns the connections that IDs name, or those that a filter selects. Validation has ensured that only one
// of the two is given.
func targeted(ids []string, match server.Matcher) server.Targets {
	if match != nil {
		return server.Where(match)
	}
	return server.IDs(ids...)
}

// Kick ends connections.
func (s *Service) Kick(ctx context.Context, r *pb.KickRequest) (*pb.KickResponse, error) {
	work := s.work(ctx)
	defer work.End()
	match, err := compile(work, r.GetFilter())
	if err != nil {
		return nil, err
	}
	result, err := s.gateway.Kick(ctx, server.KickRequest{Targets: targeted(r.GetConnectionIds(), match),
		Reason: r.GetReason(), Farewell: r.GetFarewell(),
		Flush: cmp.Or(r.GetFlushTimeout().AsDuration(), contract.DefaultFlush), Ban: r.GetBanDuration().AsDuration(),
		DryRun: r.GetValidateOnly(), Actor: auth.Actor(ctx)})
	if err != nil {
		return nil, err
	}
	return &pb.KickResponse{Outcomes: outcomes(result.Outcomes), Matched: result.Matched, Kicked: result.Kicked,
		Closed: result.Closed, NotFound: result.NotFound, Banned: result.Banned,
		NotKeptReason: present(result.NotKept)}, nil
}

// SetLabels changes labels.
func (s *Service) SetLabels(ctx context.Context, r *pb.SetLabelsRequest) (*pb.SetLabelsResponse, error) {
	work := s.work(ctx)
	defer work.End()
	match, err := compile(work, r.GetFilter())
	if err != nil {
		return nil, err
	}
	result, err := s.gateway.SetLabels(server.LabelRequest{Targets: targeted(r.GetConnectionIds(), match),
		Set: r.GetSet(), Remove: r.GetRemove(), Actor: auth.Actor(ctx)})
	if err != nil {
		return nil, err
	}
	return &pb.SetLabelsResponse{Outcomes: outcomes(result.Outcomes), Matched: result.Matched, Labeled: result.Labeled,
		Closed:   result.Closed,
		NotFound: result.NotFound, Refused: result.Refused}, nil
}

// Shutdown starts a drain, or joins the one under way. It does not wait for the end.
func (s *Service) Shutdown(ctx context.Context, r *pb.ShutdownRequest) (*pb.ShutdownResponse, error) {
	grace := s.drain
	if r.GetGracePeriod() != nil {
		grace = r.GetGracePeriod().AsDuration()
	}
	status := s.gateway.StartDrain(server.DrainRequest{Grace: grace, Reason: r.GetReason(), Farewell: r.GetFarewell(),
		Actor: auth.Actor(ctx)})
	return &pb.ShutdownResponse{Joined: status.Joined, Deadline: timestamppb.New(status.Deadline),
		Connections: uint64(status.Connections)}, nil
}

// GetGateway describes the gateway.
func (s *Service) GetGateway(ctx context.Context, _ *pb.GetGatewayRequest) (*pb.GetGatewayResponse, error) {
	work := s.work(ctx)
	work.Begin()
	defer work.End()
	info := s.gateway.Gateway()
	response := gatewayInfo(&info)
	c := auth.CallerOf(ctx)
	response.Caller = &pb.Caller{Identity: c.Identity, Proof: c.Proof, Role: c.Role}
	response.Budgets = s.budgets(&info, c)
	if s.denials != nil {
		response.Totals.DeniedCalls = s.denials.ByReason()
	}
	return response, nil
}

// ListNodes returns this node. In a fleet, the fleet's own method is called instead.
func (s *Service) ListNodes(ctx context.Context, _ *pb.ListNodesRequest) (*pb.ListNodesResponse, error) {
	info := s.gateway.Gateway()
	node := &pb.Node{Name: info.Node, Incarnation: info.Incarnation, State: pb.NodeState_NODE_STATE_LIVE,
		Version: info.Version, Connections: uint64(info.Totals.Connections), EventHead: info.Cursor.Sequence, Self: true,
		Uptime:  durationpb.New(info.Uptime),
		Allowed: pb.Role_ROLE_ADMIN}
	if info.Draining {
		node.State = pb.NodeState_NODE_STATE_DRAINING
	}
	return &pb.ListNodesResponse{Nodes: []*pb.Node{node}}, nil
}

// ForgetNode refuses: a gateway that runs alone knows no other node.
func (s *Service) ForgetNode(_ context.Context, r *pb.ForgetNodeRequest) (*pb.ForgetNodeResponse, error) {
	return nil, &unknownNodeError{field: "node", node: r.GetNode(), self: s.gateway.Cursor().Node}
}
