//go:build linux

// Package soak keeps a gateway busy with everything at once: all verbs, clients that come and go in every way, and
// attackers. It checks the books, and tells whether the gateway's resources grow.
package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/attack"
	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/siege"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// soak is one run.
type soak struct {
	settings *siege.Settings
	gateway  *siege.Gateway
	admin    pb.GatewayServiceClient
	ledger   *ledger
	follower siege.Follower
	ids      ids
	out      io.Writer
	calls    atomic.Int64

	mu       sync.Mutex
	failures map[string]int // calls of the administrator that failed
	attacks  map[string]int
}

// Run soaks a gateway for a while, and prints the slopes of its resources and the faults. The error says that the books
// are not right.
func Run(ctx context.Context, s *siege.Settings, length time.Duration, out io.Writer) (err error) {
	k := &soak{settings: s, ledger: newLedger(), out: out, failures: make(map[string]int), attacks: make(map[string]int),
		ids: ids{all: make(map[string]struct{})}}
	if k.gateway, err = siege.Start(ctx, s.Binary, s.Dir, s.Descriptors, "--write-timeout", "3s"); err != nil {
		return err
	}
	conn, err := k.gateway.Dial("admin")
	if err != nil {
		return err
	}
	defer conn.Close()
	k.admin = pb.NewGatewayServiceClient(conn)
	k.follower.Each = k.ledger.event
	following, stop := context.WithCancel(ctx)
	var followed sync.WaitGroup
	ready := make(chan struct{})
	once := sync.OnceFunc(func() { close(ready) })
	followed.Go(func() { k.follower.Run(following, k.admin, once) })
	<-ready
	all := k.during(ctx, length)
	k.after(ctx)
	stop()
	followed.Wait()
	k.print(all)
	return errors.Join(k.verdict(), k.gateway.Stop())
}

// during runs everybody at once, and samples the gateway once a second.
func (s *soak) during(ctx context.Context, length time.Duration) []*series {
	ctx, cancel := context.WithTimeout(ctx, length)
	defer cancel()
	var busy sync.WaitGroup
	again := func(n int, act func(context.Context), pause time.Duration) {
		for range n {
			busy.Go(func() {
				for ctx.Err() == nil {
					act(ctx)
					sleep(ctx, rand.N(pause))
				}
			})
		}
	}
	again(30, s.counted, 500*time.Millisecond)
	again(60, s.churn, 200*time.Millisecond)
	again(4, s.verb, 50*time.Millisecond)
	again(2, s.attack, 4*time.Second)
	all := s.sample(ctx)
	busy.Wait()
	return all
}

// sample reads the gateway's resources once a second until the context ends.
func (s *soak) sample(ctx context.Context) []*series {
	resident, threads := &series{name: "resident", unit: "MiB"}, &series{name: "threads"}
	descriptors, goroutines := &series{name: "descriptors"}, &series{name: "goroutines"}
	for begin := time.Now(); sleep(ctx, time.Second); {
		at := time.Since(begin)
		if p, err := siege.ReadProcess(s.gateway.PID()); err == nil {
			resident.add(at, float64(p.Resident)/(1<<20))
			threads.add(at, float64(p.Threads))
			descriptors.add(at, float64(p.Descriptors))
		}
		if info, err := s.admin.GetGateway(ctx, &pb.GetGatewayRequest{}); err == nil {
			goroutines.add(at, float64(info.GetProcess().GetGoroutines()))
		}
	}
	return []*series{resident, goroutines, threads, descriptors}
}

// attack runs a random attack for a few seconds, smaller than in a siege.
func (s *soak) attack(ctx context.Context) {
	all := attack.All()
	a := all[rand.IntN(len(all))]
	callers := a.Counts[rand.IntN(len(a.Counts))]
	s.mu.Lock()
	s.attacks[a.Name]++
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second+rand.N(4*time.Second))
	defer cancel()
	if _, err := s.settings.Attack(ctx, s.gateway, &a, callers); err != nil {
		s.ledger.fault("%s: %v", a.Name, err)
	}
}

// failed notes a call of the administrator that failed. Refusals that the soak asks for are none.
func (s *soak) failed(verb string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[fmt.Sprintf("%s: %s %s", verb, status.Code(err), status.Convert(err).Message())]++
}

// after waits until the clients are gone and their events have come, and checks the gateway's own totals.
func (s *soak) after(ctx context.Context) {
	var totals *pb.Totals
	for range 100 {
		info, err := s.admin.GetGateway(ctx, &pb.GetGatewayRequest{})
		if err != nil {
			s.ledger.fault("GetGateway after all: %v", err)
			return
		}
		totals = info.GetTotals()
		if totals.GetConnections() == 0 && totals.GetPending() == 0 && totals.GetEventStreams() == 1 {
			break
		}
		sleep(ctx, 100*time.Millisecond)
	}
	sleep(ctx, 500*time.Millisecond) // events come every 20 ms
	s.ledger.settleAll()
	var closed uint64
	for _, n := range totals.GetClosed() {
		closed += n
	}
	if totals.GetConnections() != 0 || totals.GetPending() != 0 || totals.GetQueuedBytes() != 0 ||
		totals.GetEventStreams() != 1 || closed != totals.GetAccepted() {
		s.ledger.fault("after all: %d connections, %d pending, %d bytes queued, %d streams; %d accepted, %d refused, %d "+
			"closed", totals.GetConnections(), totals.GetPending(), totals.GetQueuedBytes(), totals.GetEventStreams(),
			totals.GetAccepted(), totals.GetRefused(), closed)
	}
}

// print shows the slopes and what was done.
func (s *soak) print(all []*series) {
	p, _ := siege.ReadProcess(s.gateway.PID()) // zero if it has ended, which Stop says
	_, _ = fmt.Fprintf(s.out, "%d calls, %d connections closed, %d accounts settled, %d gaps; attacks:%s\n",
		s.calls.Load(), s.ledger.closed, s.ledger.settled, s.ledger.gaps, listing(s.attacks))
	for _, x := range all {
		if len(x.values) == 0 {
			continue
		}
		_, _ = fmt.Fprintf(s.out, "%-12s %+9.2f %s a minute; %.0f at first, %.0f at most, %.0f at last\n", x.name, x.slope(),
			x.unit, x.values[0], slices.Max(x.values), x.values[len(x.values)-1])
	}
	_, _ = fmt.Fprintf(s.out, "afterwards: %d MiB, %d threads, %d descriptors\n", p.Resident>>20, p.Threads, p.Descriptors)
	_, _ = fmt.Fprintf(s.out, "failed calls of the administrator:%s\n", listing(s.failures))
}

// verdict is an error if anything was wrong.
func (s *soak) verdict() error {
	faults := slices.Concat(s.ledger.faults, s.follower.Take().Faults)
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("%d faults:\n%s", len(faults), strings.Join(faults, "\n"))
}

func listing(counts map[string]int) string {
	if len(counts) == 0 {
		return " none"
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "\n  %5d %s", counts[name], name)
	}
	return b.String()
}

// sleep sleeps, and reports whether the context is not over.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
