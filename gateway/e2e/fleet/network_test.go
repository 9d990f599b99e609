//go:build linux

package fleet

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// network is machines that are network namespaces. Each has an address and a cable to one of two switches, which are
// bridges in a namespace of their own. A machine does not reach the machines on the other switch, and notices only
// their silence.
type network struct {
	t      testing.TB
	prefix string // of the namespaces' names
	hub    string // the namespace of the switches
	hosts  int
}

// networks numbers them.
var networks atomic.Int64

// newNetwork makes a network without machines, or skips the test where the system does not let it. The end of the test
// removes the network.
func newNetwork(t testing.TB) *network {
	t.Helper()
	n := &network{t: t, prefix: fmt.Sprintf("sockgate-lab-%d-%d-", os.Getpid(), networks.Add(1))}
	n.hub = n.prefix + "hub"
	swept()
	if err := n.make(); err != nil {
		if os.Getenv("REQUIRE_NETNS") != "" {
			t.Fatalf("network namespaces cannot be made, and REQUIRE_NETNS is set: %v", err)
		}
		t.Skipf("network namespaces cannot be made: run this test as root on Linux, with the program ip: %v", err)
	}
	return n
}

// swept removes, once in a test run, the namespaces of runs that were killed: their names have the ID of a process that
// is gone.
var swept = sync.OnceFunc(func() {
	all, _ := filepath.Glob("/run/netns/sockgate-lab-*") // no match: nothing is left
	for _, path := range all {
		name := filepath.Base(path)
		pid, _, _ := strings.Cut(strings.TrimPrefix(name, "sockgate-lab-"), "-")
		if _, err := os.Stat("/proc/" + pid); os.IsNotExist(err) {
			_ = ip("netns", "del", name) // another run may have removed it too
		}
	}
})

// make makes the switches.
func (n *network) make() error {
	if err := ip("netns", "add", n.hub); err != nil {
		return err
	}
	n.t.Cleanup(func() { n.remove(n.hub) })
	for _, bridge := range []string{"left", "right"} {
		if err := ip("-n", n.hub, "link", "add", bridge, "type", "bridge"); err != nil {
			return err
		}
		if err := ip("-n", n.hub, "link", "set", bridge, "up"); err != nil {
			return err
		}
	}
	return nil
}

// remove removes a namespace and its interfaces.
func (n *network) remove(namespace string) {
	if err := ip("netns", "del", namespace); err != nil {
		n.t.Errorf("a network namespace is left over: %v", err)
	}
}

// ip runs the program.
func ip(args ...string) error { return command("ip", args...) }

// command runs a program to its end.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// host adds a machine on the left switch, and returns its namespace and its address.
func (n *network) host() (namespace, address string) {
	n.t.Helper()
	n.hosts++
	namespace, address = fmt.Sprintf("%s%d", n.prefix, n.hosts), fmt.Sprintf("10.77.0.%d", n.hosts)
	check(n.t, ip("netns", "add", namespace))
	n.t.Cleanup(func() { n.remove(namespace) })
	for _, args := range [][]string{
		{"-n", n.hub, "link", "add", n.cable(namespace), "type", "veth", "peer", "name", "uplink", "netns", namespace},
		{"-n", n.hub, "link", "set", n.cable(namespace), "master", "left", "up"},
		{"-n", namespace, "addr", "add", address + "/24", "dev", "uplink"},
		{"-n", namespace, "link", "set", "uplink", "up"},
		{"-n", namespace, "link", "set", "lo", "up"},
	} {
		check(n.t, ip(args...))
	}
	return namespace, address
}

// cable names the switch's end of a machine's cable.
func (n *network) cable(namespace string) string {
	return "to-" + strings.TrimPrefix(namespace, n.prefix)
}

// move puts machines on a switch: left or right.
func (n *network) move(to string, gateways ...*gateway) {
	n.t.Helper()
	for _, g := range gateways {
		check(n.t, ip("-n", n.hub, "link", "set", n.cable(g.namespace), "master", to))
	}
}

// throttle limits a gateway's cable to a rate in each direction, such as 256kbit. Data beyond half a second of that is
// lost. An empty rate ends the throttle.
func (n *network) throttle(g *gateway, rate string) {
	n.t.Helper()
	for namespace, end := range map[string]string{n.hub: n.cable(g.namespace), g.namespace: "uplink"} {
		if rate == "" {
			check(n.t, command("tc", "-n", namespace, "qdisc", "del", "dev", end, "root"))
		} else {
			check(n.t, command("tc", "-n", namespace, "qdisc", "add", "dev", end, "root", "tbf", "rate", rate, "burst", "4kb",
				"latency", "500ms"))
		}
	}
}

// newCutFleet is newFleet with each gateway and its clients on a machine of their own. The cluster's addresses are not
// loopback, so the nodes prove their identities to each other.
func newCutFleet(t testing.TB, nodes, clients int, flags ...string) (*lab, *network) {
	t.Helper()
	n, l := newNetwork(t), newLab(t)
	ca := newAuthority(t)
	addresses, namespaces := make([]string, nodes), make([]string, nodes)
	for i := range nodes {
		namespaces[i], addresses[i] = n.host()
		addresses[i] += clusterPort
	}
	for i := range nodes {
		node := fmt.Sprintf("node-%d", i+1)
		g := l.add(node, slices.Concat(flags, clusterFlags(addresses, i), ca.flags(t, node, addresses[i]))...)
		g.namespace = namespaces[i]
	}
	for _, g := range l.gateways {
		g.launch(t)
		g.crowd = newCrowd(g, clients/nodes)
	}
	observe(t, "until all nodes hear of all others, from the last one's start", l.together(l.gateways...))
	return l, n
}

// clusterPort is free in each machine's own namespace.
const clusterPort = ":7422"
