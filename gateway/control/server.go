package control

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/time/rate"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	"github.com/sockgate/sockgate/gateway/auth"
	_ "github.com/sockgate/sockgate/gateway/internal/unread" // bounds what gRPC queues
	"github.com/sockgate/sockgate/gateway/lane"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// maxReceive is the most bytes of a request. The largest valid one, a Send, has a little over 1 MiB. The rest is room
	// to refuse a slightly larger one with a helpful error.
	maxReceive = 5 << 18
	// streamWindow is how much of a message gRPC accepts before the call has room for it; it grows no further by itself.
	streamWindow = 64 << 10
	// connectionWindow is how many bytes may be on their way on a connection of a client.
	connectionWindow = 1 << 20
	// readBuffer is the size of a connection's buffer for reading, which it has also while it is idle. It holds the
	// headers of about thirty calls, which gRPC handles in one turn. Payloads do not pass through it.
	readBuffer = 1 << 10
	// adminPart is the part of the memory for calls that only administrators get: one of so many.
	adminPart = 8
	// defaultMemoryBudget is the default of Config.MemoryBudget.
	defaultMemoryBudget = 64 << 20
	// maxStreams is the most calls under way on one HTTP/2 connection of a client.
	maxStreams = 1000
	// minPing is the shortest time that a client may leave between two pings.
	minPing = 10 * time.Second
	// pingAfter is how long a client's connection may be silent before the gateway pings it. pingTimeout is how long the
	// answer may take.
	pingAfter, pingTimeout = 30 * time.Second, 20 * time.Second
	// greetTimeout is how long a client may take for TLS and for its first HTTP/2 frame.
	greetTimeout = 5 * time.Second
	// maxHeader is the most bytes of a call's headers: a token and what proxies on the way add.
	maxHeader = 16 << 10
	// defaultConnections is the default of Config.MaxConnections.
	defaultConnections = 1000
	// defaultIdentityCalls is the default of Config.CallsPerIdentity.
	defaultIdentityCalls = 1000
	// defaultAge and defaultAgeGrace are the defaults of Config.MaxConnectionAge and Config.MaxConnectionAgeGrace.
	defaultAge, defaultAgeGrace = time.Hour, 5 * time.Minute
)

// Config says how a control plane runs. The zero value of each field is its default.
type Config struct {
	// DrainTimeout is the grace period of a Shutdown that names none. Default 30 s.
	DrainTimeout time.Duration
	// MaxConnections is the most connections of clients. When the control plane is full, a connection is closed to admit
	// the new one: the oldest idle one, or else the oldest, of the identity that has the most. An eighth is for
	// connections without a proven identity, and an eighth is kept for each administrator. Default 1,000.
	MaxConnections int
	// MemoryBudget is the most bytes that calls hold together: requests under way, and answers that clients have not read.
	// Callers share it by max-min fairness, and an eighth is kept for administrators. A call without room waits for up to
	// 10 s, and then fails with RESOURCE_EXHAUSTED. When a caller needs its share, the connection of another that holds
	// more than its own is closed. Default 64 MiB.
	MemoryBudget int64
	// Logger gets failed and denied calls, and at level debug all calls. Default: none.
	Logger hclog.Logger
	// TLS secures the connections that Serve accepts, except on a unix socket. It decides whether client certificates are
	// asked for, required and verified; tls.VerifyClientCertIfGiven lets callers choose between a certificate and a token.
	// Sessions are not resumed. Default nil: plain. Hazard: without TLS, tokens can be read on the way.
	TLS *tls.Config
	// Auth says which callers may call. By default these are callers on loopback, and on a unix socket the gateway's own
	// user and root.
	Auth auth.Config
	// MaxConnectionAge is the age, give or take a tenth, at which a client's connection takes no more calls. The client
	// then opens another one by itself. MaxConnectionAgeGrace is how much longer the calls under way may take before the
	// connection is closed and they end with UNAVAILABLE. The client of an event stream resumes it after its cursor.
	// Default 1 h and 5 min.
	MaxConnectionAge, MaxConnectionAgeGrace time.Duration
	// CallsPerIdentity is the most calls of one identity under way, including streams. Callers on loopback without a proof
	// count as one identity per IP address. Default 1,000.
	CallsPerIdentity int
	// StreamsPerIdentity is the most event streams of one identity. Default 100.
	StreamsPerIdentity int
	// Handlers are the remote handlers of the gateway's listeners, which programs attach to. The caller starts and stops
	// the table. Lanes may hold as much memory as MemoryBudget besides that of calls: each holds 1.5 MiB. Default: none.
	Handlers *lane.Table
}

// withDefaults returns the configuration with every default filled in.
func (c Config) withDefaults() Config {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	if c.Handlers == nil {
		c.Handlers = lane.NewTable()
	}
	c.MemoryBudget = cmp.Or(c.MemoryBudget, defaultMemoryBudget)
	c.DrainTimeout = cmp.Or(c.DrainTimeout, 30*time.Second)
	c.MaxConnections = cmp.Or(c.MaxConnections, defaultConnections)
	c.MaxConnectionAge = cmp.Or(c.MaxConnectionAge, defaultAge)
	c.MaxConnectionAgeGrace = cmp.Or(c.MaxConnectionAgeGrace, defaultAgeGrace)
	c.CallsPerIdentity = cmp.Or(c.CallsPerIdentity, defaultIdentityCalls)
	c.StreamsPerIdentity = cmp.Or(c.StreamsPerIdentity, defaultIdentityStreams)
	return c
}

// Server is the control plane: GatewayService, health and reflection on one gRPC server. Its methods may be called from
// any goroutine.
type Server struct {
	grpc     *grpc.Server
	health   *health.Server
	stopping context.Context // ends when Stop is called
	stop     context.CancelFunc
	config   Config
	local    *Local
	lanes    *handlers

	mu       sync.Mutex
	listener *auth.Listener // the listener of Serve
}

// New returns the control plane of a gateway that runs alone. It does not listen and has no goroutine until Serve.
func New(g Gateway, c Config) *Server {
	local := NewLocal(g, c)
	return newServer(local, local, aloneScope(g))
}

// NewInFleet returns the control plane of a gateway in a fleet, with the configuration of local. Calls of
// GatewayService are authenticated, authorized and validated, and then go to answers, a *fleet.Node that was made with
// local.
func NewInFleet(local *Local, answers pb.GatewayServiceServer) *Server {
	return newServer(local, answers, nil)
}

func newServer(local *Local, answers pb.GatewayServiceServer, scope scopeCheck) *Server {
	c := local.config
	s := &Server{health: health.NewServer(), config: c, local: local}
	s.stopping, s.stop = context.WithCancel(context.Background())
	options := append(interceptors(local),
		grpc.Creds(auth.NewGreeter(&c.Auth, c.TLS)),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.ConnectionTimeout(greetTimeout),
		grpc.MaxRecvMsgSize(maxReceive),
		grpc.MaxHeaderListSize(maxHeader),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connectionWindow),
		grpc.ReadBufferSize(readBuffer),
		grpc.WriteBufferSize(auth.WriteBuffer),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout,
			MaxConnectionAge:      c.MaxConnectionAge,
			MaxConnectionAgeGrace: c.MaxConnectionAgeGrace}),
	)
	s.grpc = grpc.NewServer(append(options, grpc.ChainStreamInterceptor(s.endWatch))...)
	local.methods = sync.OnceValue(func() map[string]struct{} { return methodsOf(s.grpc) }) // Serve comes after the last
	s.lanes = newHandlers(local, answers)
	register(registrar{s.grpc, scope}, answers, s.lanes, s.health)
	s.health.SetServingStatus(pb.GatewayService_ServiceDesc.ServiceName, healthpb.HealthCheckResponse_SERVING)
	c.Handlers.Watch(s.showHandler)
	return s
}

// showHandler makes health tell whether a remote handler has an instance, under the handler's name in listeners.
func (s *Server) showHandler(name string, attached bool) {
	status := healthpb.HealthCheckResponse_NOT_SERVING
	if attached {
		status = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("remote:"+name, status)
}

func register(r registrar, answers pb.GatewayServiceServer, lanes pb.HandlerServiceServer, h healthpb.HealthServer) {
	pb.RegisterGatewayServiceServer(r, answers)
	r.Server.RegisterService(&pb.HandlerService_ServiceDesc, lanes) // lanes check what they receive by themselves
	healthpb.RegisterHealthServer(r, h)
	reflection.Register(r)
}

// services describes the services that every control plane has.
func services() map[string]grpc.ServiceInfo {
	never := grpc.NewServer() // it only describes its services
	defer never.Stop()
	register(registrar{never, nil}, pb.UnimplementedGatewayServiceServer{}, pb.UnimplementedHandlerServiceServer{},
		health.NewServer())
	return never.GetServiceInfo()
}

// Serve answers calls on l until Stop; it returns nil then, and closes l. It is called once. The error is that of
// accepting.
func (s *Server) Serve(l net.Listener) error {
	full := rate.Sometimes{Interval: time.Second}
	bounded := auth.NewListener(l, s.config.MaxConnections, s.local.turns, func() { full.Do(s.warnFull) })
	s.mu.Lock()
	s.listener = bounded
	s.local.listener.Store(bounded)
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var reporting sync.WaitGroup
	defer reporting.Wait()
	defer cancel()
	reporting.Go(func() { s.local.digest.Report(ctx) })
	reporting.Go(func() { s.local.turns.Watch(ctx) })
	reporting.Go(func() { s.lanes.follow(ctx) })
	if err := s.grpc.Serve(bounded); !errors.Is(err, grpc.ErrServerStopped) { // Stop came first
		return err
	}
	return nil
}

// warnFull logs that a client's connection was closed because of MaxConnections.
func (s *Server) warnFull() {
	s.config.Logger.Warn("control plane is full: a client's connection was closed", "max-connections",
		s.config.MaxConnections)
}

// SetDraining makes health answer NOT_SERVING, for good; calls are still answered. It does not block:
// server.Config.OnDrain is the place to call it.
func (s *Server) SetDraining() { s.health.Shutdown() }

// endWatch ends a health Watch when the server stops. A Watch never ends by itself, so a graceful stop would wait for
// it.
func (s *Server) endWatch(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo,
	handler grpc.StreamHandler) error {
	if info.FullMethod != healthpb.Health_Watch_FullMethodName {
		return handler(service, stream)
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	defer context.AfterFunc(s.stopping, cancel)()
	return handler(service, boundStream{stream, ctx})
}

// boundStream is a stream with a context of its own.
type boundStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context.
func (s boundStream) Context() context.Context { return s.ctx }

// Stop lets calls that are under way end until ctx ends, and then cuts them off. It waits at most one second more for a
// call that does not notice. An event stream ends when its caller leaves or the gateway's event log is closed: close
// the log first. A Serve that comes later returns nil at once. A second call does nothing but wait.
func (s *Server) Stop(ctx context.Context) {
	s.stop()
	s.mu.Lock()
	listener := s.listener
	s.mu.Unlock()
	if listener != nil {
		listener.CloseSilent()
		defer context.AfterFunc(ctx, listener.CloseAll)()
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.grpc.GracefulStop()
		s.lanes.readers.Wait() // their streams have ended
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		go s.grpc.Stop()
		select {
		case <-stopped:
		case <-time.After(time.Second):
		}
	}
}
