package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/sockgate/sockgate/gateway/compare/internal/proc"
	"github.com/sockgate/sockgate/gateway/compare/internal/result"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// fleetCommand is the first argument for measuring a fleet.
const fleetCommand = "fleet"

// fleetNodes is how many nodes the fleet has.
const fleetNodes = 3

// The pairs that the workloads of a fleet compare: the second with the first.
const (
	alone, together      = "alone", "in a fleet"
	oneNode, threeNodes  = "one node", "three nodes"
	ownNode, anotherNode = "own node", "another node"
)

// fleet measures the cost of a fleet: a node in a fleet beside one that runs alone, a broadcast over three nodes beside
// one over as many connections of one node, and a kick on another node beside one on the node that is asked.
type fleet struct {
	*comparison
	program   string
	addresses []string // of the nodes' embedded servers, for the other nodes
	kicks     int      // of each of the two kinds in a round
}

// parseFleet reads the flags.
func parseFleet(args []string, stderr io.Writer) (*fleet, error) {
	l := &fleet{comparison: &comparison{settings: &settings{}}}
	f := flag.NewFlagSet("compare "+fleetCommand, flag.ContinueOnError)
	f.SetOutput(stderr)
	conns := 0
	f.IntVar(&conns, "conns", 0,
		"connections, of one node and over three (default 30000, or as many as a process may have; 60 with --quick)")
	f.IntVar(&l.kicks, "kicks", 0,
		"kicks on the own node and on another one, each, in a round (default 500; 10 with --quick)")
	if err := l.parse(f, args); err != nil {
		return l, err
	}
	if l.quick {
		setDefault(&conns, 60)
		setDefault(&l.kicks, 10)
	}
	setDefault(&l.kicks, 500)
	if err := l.describe(conns); err != nil {
		return l, err
	}
	if l.kicks < 1 {
		return l, fmt.Errorf("--kicks %d: expected at least 1", l.kicks)
	}
	return l, nil
}

// spare is how many descriptors of a process are left for other uses: the gateway keeps up to 1,024 for its control
// plane.
const spare = 1024 + warmConns + 64

// describe sets the workloads for a number of connections; 0 means as many as a process may have, at most 30,000.
func (l *fleet) describe(conns int) error {
	limit, err := proc.DescriptorLimit()
	if err != nil {
		return err
	}
	most := int(min(limit, 1<<30)) - spare
	l.results = l.newResults()
	if conns == 0 {
		conns = min(30_000, most)
	}
	conns -= conns % fleetNodes
	if conns < 30_000 && !l.quick {
		l.results.Notes = append(l.results.Notes,
			fmt.Sprintf("a process may open %d files here; there are %d connections, not 30,000", limit, conns))
	}
	if conns < fleetNodes || conns > most {
		return fmt.Errorf("--conns %d: expected %d to %d, so that one process can have all; "+
			"or raise the limit of open files with ulimit -Hn", conns, fleetNodes, most)
	}
	few := 100
	if l.quick {
		few = 10
	}
	l.results.Workloads = []result.Workload{
		echo(64, few), idleConns(conns),
		{Name: fmt.Sprintf("broadcast-%d", conns), Kind: result.Broadcast, Size: 64, Conns: conns,
			Text: fmt.Sprintf("64 bytes to each of %d connections, which one node has, or three nodes on the same cores",
				conns)},
		{Name: "kick", Kind: result.Kick, Conns: 2 * l.kicks,
			Text: "one connection is kicked by its ID and by way of one of three nodes on the same cores: " +
				"one of its own, or one of another node's; until the reply"},
	}
	l.results.Contestants = []string{alone, together, oneNode, threeNodes, ownNode, anotherNode}
	return nil
}

// measure measures everything in rounds, and shows it.
func (l *fleet) measure(ctx context.Context, stdout, progress io.Writer) error {
	dir, err := os.MkdirTemp("", "compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	l.progress = progress
	x := gateway("gateway", dir)
	l.program = x.command[0]
	_, _ = fmt.Fprintf(progress, "building %s\n", x.name)
	if l.results.Versions["gateway"], err = x.prepare(ctx); err != nil {
		return err
	}
	if err := errors.Join(l.reserve(), proc.Stay(l.loadCores)); err != nil {
		return err
	}
	for round := 1; round <= l.rounds; round++ {
		for i := range l.results.Workloads {
			if err := l.workload(ctx, round, l.results.Workloads[i]); err != nil {
				return err
			}
		}
		if err := l.save(l.results, "fleet.json"); err != nil { // a later round may fail
			return err
		}
	}
	_, err = fmt.Fprint(stdout, l.results.FleetTables())
	return err
}

// reserve finds ports that are free for the nodes' servers.
func (l *fleet) reserve() error {
	var held []net.Listener
	for range fleetNodes {
		listener, err := net.Listen("tcp", anyPort)
		if err != nil {
			return err
		}
		held = append(held, listener)
		l.addresses = append(l.addresses, listener.Addr().String())
	}
	for _, listener := range held {
		if err := listener.Close(); err != nil {
			return err
		}
	}
	return nil
}

// node returns a node of the fleet as a contestant, by its number from 0.
func (l *fleet) node(i int) contestant {
	flags := []string{"--node", fmt.Sprintf("node-%d", i+1), "--cluster-listen", l.addresses[i]}
	for j, address := range l.addresses {
		if j != i {
			flags = append(flags, "--cluster-join", address)
		}
	}
	return l.gateway(together, flags...)
}

func (l *fleet) gateway(name string, flags ...string) contestant {
	x := gateway(name, "", flags...)
	x.command[0] = l.program
	return x
}

// workload measures both of the pair that a workload compares, in an order that changes with the round.
func (l *fleet) workload(ctx context.Context, round int, w result.Workload) error {
	keep := func(contestant string, m result.Measurement) {
		m.Round, m.Workload, m.Contestant = round, w.Name, contestant
		l.results.Measurements = append(l.results.Measurements, m)
		_, _ = fmt.Fprintf(l.progress, "round %d/%d  %-16s %-16s %s\n", round, l.rounds, w.Name, contestant, m.Line(w.Kind))
	}
	if w.Kind == result.Kick {
		own, other, err := l.kick(ctx)
		if err == nil {
			keep(ownNode, own)
			keep(anotherNode, other)
		}
		return err
	}
	both := []string{alone, together}
	if w.Kind == result.Broadcast {
		both = []string{oneNode, threeNodes}
	}
	if round%2 == 0 {
		slices.Reverse(both)
	}
	for _, name := range both {
		var m result.Measurement
		var err error
		switch name {
		case alone:
			x := l.gateway(alone)
			m, err = l.comparison.measure(ctx, &x, w, 0)
		case together:
			m, err = l.measureMember(ctx, w)
		default:
			m, err = l.broadcast(ctx, w, name)
		}
		if err != nil {
			return err
		}
		keep(name, m)
	}
	return nil
}

// start starts nodes of the fleet, by their numbers, on cores. stop ends them.
func (l *fleet) start(
	ctx context.Context, cores proc.Cores, numbers ...int,
) (servers []*proc.Server, stop func(), err error) {
	stop = func() {
		for _, s := range servers {
			s.Stop()
		}
	}
	for _, i := range numbers {
		x := l.node(i)
		s, err := proc.Start(ctx, x.spec(), cores)
		if err != nil {
			stop()
			return nil, nil, err
		}
		servers = append(servers, s)
	}
	return servers, stop, nil
}

// measureMember measures the first node, while the others are in the fleet with it, idle, on the load's cores.
func (l *fleet) measureMember(ctx context.Context, w result.Workload) (result.Measurement, error) {
	others, stop, err := l.start(ctx, l.loadCores, 1, 2)
	if err != nil {
		return result.Measurement{}, err
	}
	defer stop()
	x := l.node(0)
	m, err := l.comparison.measure(ctx, &x, w, 0)
	if err != nil {
		return result.Measurement{}, err
	}
	plane, err := newControlPlane(others[0])
	if err != nil {
		return result.Measurement{}, err
	}
	defer plane.Close()
	nodes, err := plane.live(ctx)
	if err == nil && len(nodes) != fleetNodes {
		err = fmt.Errorf("the fleet that was measured had the nodes %v; expected %d", nodes, fleetNodes)
	}
	return m, err
}

// live returns the names of the nodes that are in the fleet, or were a few seconds ago.
func (p controlPlane) live(ctx context.Context) (names []string, err error) {
	r, err := pb.NewGatewayServiceClient(p).ListNodes(ctx,
		&pb.ListNodesRequest{Scope: &pb.Scope{Local: true}})
	for _, n := range r.GetNodes() {
		if s := n.GetState(); s == pb.NodeState_NODE_STATE_LIVE || s == pb.NodeState_NODE_STATE_SUSPECT {
			names = append(names, n.GetName())
		}
	}
	return names, err
}

// assembled waits until a node answers for a number of nodes.
func (p controlPlane) assembled(ctx context.Context, nodes int) error {
	for {
		r, err := pb.NewGatewayServiceClient(p).CountConnections(ctx, &pb.CountConnectionsRequest{},
			grpc.WaitForReady(true))
		if err != nil || int(r.GetFleet().GetAnswered()) == nodes {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d nodes answer: %w", r.GetFleet().GetAnswered(), nodes, ctx.Err())
		case <-time.After(10 * time.Millisecond):
		}
	}
}
