package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/compare/internal/result"
)

// TestFleet runs a whole measurement with few connections, and holds that both of each pair were measured, and that
// nothing is left running.
func TestFleet(t *testing.T) {
	dir := t.TempDir()
	c, builds := command(t, "fleet", "--quick", "--out", dir)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	if left := running(t, builds); len(left) > 0 {
		t.Errorf("processes still run: %v", left)
	}
	r := readResults(t, filepath.Join(dir, "fleet.json"))
	measured := make(map[string]int)
	for _, m := range r.Measurements {
		measured[m.Workload+" "+m.Contestant]++
		if m.Latency.P50 <= 0 && m.IdleBytes == 0 && m.Resident == 0 {
			t.Errorf("nothing was measured: %+v", m)
		}
	}
	for _, want := range []string{"echo-64-10 alone", "echo-64-10 in a fleet", "idle-60 alone", "idle-60 in a fleet",
		"broadcast-60 one node", "broadcast-60 three nodes", "kick own node", "kick another node"} {
		if measured[want] != 1 {
			t.Errorf("%s: %d measurements; expected 1", want, measured[want])
		}
	}
	for _, want := range []string{
		"### `broadcast-60`", "| one node | three nodes |", "| own node | another node |", "messages per CPU-second",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("standard output has no %q:\n%s", want, stdout.String())
		}
	}
	for _, w := range r.Workloads {
		if w.Kind == result.Broadcast && w.Conns != 60 {
			t.Errorf("%+v; expected 60 connections", w)
		}
	}
}

// TestFleetConnections holds that the connections are as many as a process may have, in equal shares for the nodes, and
// that too many are refused.
func TestFleetConnections(t *testing.T) {
	for _, c := range []struct {
		args []string
		ok   bool
	}{
		{[]string{"--conns", "3"}, true},
		{[]string{"--conns", "100"}, true},
		{[]string{}, true},
		{[]string{"--conns", "2"}, false},
		{[]string{"--conns", "-9"}, false},
		{[]string{"--conns", "2000000000"}, false},
		{[]string{"--kicks", "-1"}, false},
	} {
		l, err := parseFleet(c.args, &bytes.Buffer{})
		if (err == nil) != c.ok {
			t.Errorf("%v: %v", c.args, err)
		}
		if err == nil && l.results.Workloads[2].Conns%fleetNodes != 0 {
			t.Errorf("%v: %d connections cannot be shared", c.args, l.results.Workloads[2].Conns)
		}
	}
}
