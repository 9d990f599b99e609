//go:build linux

package siege

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/attack"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// siege is one gateway, its clients and callers, and its attackers.
type siege struct {
	*Settings
	attack   *attack.Attack
	callers  int
	gateway  *Gateway
	clients  *Clients
	probes   []*Probe
	follower Follower
	admin    *grpc.ClientConn
}

// Run measures a gateway undisturbed and under an attack by so many callers, in turn.
func Run(ctx context.Context, s *Settings, a *attack.Attack, callers int) (r Result, err error) {
	r = Result{Attack: a.Name, Callers: callers}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	g := &siege{Settings: s, attack: a, callers: callers}
	if g.gateway, err = Start(ctx, s.Binary, s.Dir, s.Descriptors, s.Flags...); err != nil {
		return r, err
	}
	defer func() { r.Ended = g.gateway.Stop() }()
	if g.clients, err = Connect(ctx, g.gateway.Echo, s.Clients, s.Rate); err != nil {
		return r, err
	}
	defer g.clients.Close()
	if err := s.prepare(ctx, g.gateway, a); err != nil {
		return r, err
	}
	stop, err := g.callAll(ctx)
	if err != nil {
		return r, err
	}
	defer stop()
	return r, g.rounds(ctx, &r)
}

// callAll starts the callers that must be served, until stop.
func (g *siege) callAll(ctx context.Context) (stop func(), err error) {
	if g.admin, err = g.gateway.Dial("admin"); err != nil {
		return nil, err
	}
	if g.probes, err = g.gateway.probes(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var calling sync.WaitGroup
	follows := make(chan struct{})
	once := sync.OnceFunc(func() { close(follows) })
	calling.Go(func() { g.follower.Run(ctx, pb.NewGatewayServiceClient(g.admin), once) })
	select {
	case <-follows:
	case <-time.After(patience):
		err = errors.New("no event stream opened within 10 s")
	}
	for _, p := range g.probes {
		calling.Go(func() { p.run(ctx, g.Every) })
	}
	stop = func() { cancel(); calling.Wait(); _ = g.admin.Close() }
	if err != nil {
		stop()
	}
	return stop, err
}

func (g *siege) rounds(ctx context.Context, r *Result) error {
	for range g.Rounds {
		calm, err := g.phase(ctx, nil)
		if err != nil {
			return err
		}
		r.Calm = append(r.Calm, calm)
		attackers, err := startAttackers(ctx, g.target(g.gateway, g.attack, g.callers), g.policy(g.attack))
		if err != nil {
			return err
		}
		var attacked Phase
		if err = attackers.begun(ctx); err == nil {
			attacked, err = g.phase(ctx, attackers)
		}
		if err := errors.Join(err, attackers.stop()); err != nil {
			return err
		}
		r.Attacked = append(r.Attacked, attacked)
		if attacked.Stopped || !g.gateway.Alive() {
			return nil
		}
	}
	return nil
}

// warm is the time between the beginning of an attack or of its absence and the measurement, as a share of its length.
// An attack has a second at least, to fill what it fills.
const warm = 0.4

// phase measures once. The memory counts from the beginning of the attack.
func (g *siege) phase(ctx context.Context, attackers *attackers) (p Phase, err error) {
	bounded, over := context.WithCancel(ctx)
	defer over()
	if err := resetPeak(g.gateway.PID()); err != nil {
		return p, err
	}
	memory := watchMemory(g.gateway.PID(), g.StopAt, over)
	length := time.Duration(g.Seconds * float64(time.Second))
	if attackers != nil && g.attack.Fills {
		length *= 3
	}
	warming := time.Duration(warm * float64(length))
	if attackers != nil {
		warming = max(warming, time.Second)
	}
	sleepUntil(bounded, time.Now().Add(warming))
	begin := g.reading(attackers)
	g.take(&p)
	sleepUntil(bounded, begin.at.Add(length))
	if g.Await {
		g.await(bounded)
	}
	end := g.reading(attackers)
	p.Stopped = bounded.Err() != nil && ctx.Err() == nil
	memory.stop()
	g.take(&p)
	p.fill(begin, end)
	p.Peak = max(memory.most.Load(), end.process.Peak)
	if attackers != nil {
		p.Attackers, err = attackers.report()
	}
	return p, errors.Join(err, ctx.Err())
}

// await waits until each probe has made an act, for at most as long as it may take.
func (g *siege) await(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tried := func(p *Probe) bool { return p.Record.Tried() > 0 }
	for slices.IndexFunc(g.probes, func(p *Probe) bool { return !tried(p) }) >= 0 &&
		sleepUntil(ctx, time.Now().Add(20*time.Millisecond)) {
	}
}

// reading is the use of resources at one moment.
type reading struct {
	at        time.Time
	process   Process
	log       int64
	attackers time.Duration
}

func (g *siege) reading(a *attackers) reading {
	r := reading{at: time.Now(), log: g.gateway.Log.Bytes()}
	r.process, _ = ReadProcess(g.gateway.PID()) // of a gateway that has ended, zero
	if a != nil {
		r.attackers = a.cpu()
	}
	return r
}

// take takes what was recorded into p.
func (g *siege) take(p *Phase) {
	p.Echoes, p.Seen = g.clients.Echoes.Take(), g.follower.Take()
	p.Probes = make(map[string]Summary)
	for _, probe := range g.probes {
		p.Probes[probe.Name] = probe.Record.Take()
	}
}
