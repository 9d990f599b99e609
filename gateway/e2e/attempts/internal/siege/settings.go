//go:build linux

package siege

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/attempts/internal/attack"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Settings say how a siege is made.
type Settings struct {
	Binary      string // the gateway
	Dir         string // for its files
	Clients     int
	Rate        float64       // messages a second of all clients
	Every       time.Duration // between two acts of a probe
	Seconds     float64       // of a measurement
	Rounds      int           // each measures undisturbed and attacked
	Streams     int           // calls on an attacker's connection
	Conns       int           // stalled handshakes
	Descriptors int           // of the gateway; they limit the connections of its control plane
	StopAt      int64         // resident bytes of the gateway at which an attack is ended, for the machine's sake
	Flags       []string      // more of the gateway's
	Yield       bool          // attackers that keep the gateway busy do it at the least priority
	Await       bool          // a measurement goes on until each probe has made one act, for at most 10 s more
}

// Full returns the settings of a measurement.
func Full(binary, dir string) Settings {
	return Settings{Binary: binary, Dir: dir, Clients: 1000, Rate: 2000, Every: 200 * time.Millisecond, Seconds: 3,
		Rounds: 3, Streams: 1000, Conns: 1100, Descriptors: 8192, StopAt: 3 << 30, Yield: true}
}

// Small returns the settings of a test, which shows what must hold and measures nothing.
func Small(binary, dir string) Settings {
	return Settings{Binary: binary, Dir: dir, Clients: 100, Rate: 200, Every: 200 * time.Millisecond, Seconds: 0.5,
		Rounds: 1, Streams: 250, Conns: 300, Descriptors: 2048, StopAt: 1 << 30,
		Flags: []string{"--max-handshakes", "256"}}
}

// prepare gives the gateway what an attack needs: rows that are as long as they can be, or bans.
func (s *Settings) prepare(ctx context.Context, g *Gateway, a *attack.Attack) error {
	return g.As("admin", func(c pb.GatewayServiceClient) error {
		if a.Labels {
			if err := label(ctx, c); err != nil {
				return err
			}
		}
		if a.Bans {
			return ban(ctx, c, s.Streams)
		}
		return nil
	})
}

func label(ctx context.Context, c pb.GatewayServiceClient) error {
	set := make(map[string]string)
	for i := range 16 {
		set[fmt.Sprintf("label-%d", i)] = strings.Repeat("v", 256)
	}
	_, err := c.SetLabels(ctx, &pb.SetLabelsRequest{Filter: "true", Set: set})
	return err
}

// ban bans n addresses that are for documents.
func ban(ctx context.Context, c pb.GatewayServiceClient, n int) error {
	address := netip.MustParseAddr("2001:db8::1")
	for range n {
		_, err := c.AddBan(ctx, &pb.AddBanRequest{Target: address.String(), Reason: strings.Repeat("r", 256)})
		if err != nil {
			return err
		}
		address = address.Next()
	}
	return nil
}

// memory samples a process's memory, and says when it is over a bound.
type memory struct {
	most atomic.Int64
	stop func()
}

func watchMemory(pid int, bound int64, over func()) *memory {
	m := &memory{}
	ctx, cancel := context.WithCancel(context.Background())
	var sampling sync.WaitGroup
	sampling.Go(func() {
		for next := time.Now(); sleepUntil(ctx, next); next = time.Now().Add(20 * time.Millisecond) {
			p, err := ReadProcess(pid)
			if err != nil {
				return
			}
			m.most.Store(max(m.most.Load(), p.Resident))
			if p.Resident > bound {
				over()
			}
		}
	})
	m.stop = func() { cancel(); sampling.Wait() }
	return m
}
