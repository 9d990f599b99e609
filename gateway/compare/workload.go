package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sockgate/sockgate/gateway/compare/internal/result"
)

// warmConns is how many connections a server has served before its memory is first read, so that memory that it needs
// only once is not counted.
const warmConns = 100

// allWorkloads returns the workloads in the order of their runs.
func (s *settings) allWorkloads() []result.Workload {
	few, many, bulk, idle, churn := 100, 2000, 200, 18000, 50
	if s.quick {
		few, many, bulk, idle, churn = 10, 50, 10, 200, 5
	}
	return append([]result.Workload{
		echo(64, few), echo(64, many), echo(16<<10, bulk),
		{Name: fmt.Sprintf("fixed-64-%d", few), Kind: result.Fixed, Size: 64, Conns: few,
			Text: fmt.Sprintf("64 bytes on %d connections, at 60 %% of the rate that the first contestant reaches", few)},
		{Name: "churn", Kind: result.Churn, Size: 64, Conns: churn,
			Text: fmt.Sprintf("connections that come, echo 64 bytes once, and go, %d at a time", churn)},
		idleConns(idle),
		{Name: fmt.Sprintf("broadcast-%d", idle), Kind: result.Broadcast, Size: 64, Conns: idle,
			Text: fmt.Sprintf("64 bytes to each of %d connections", idle)},
	}, s.tlsWorkloads()...)
}

// tlsWorkloads returns the workloads over TLS.
func (s *settings) tlsWorkloads() []result.Workload {
	few, bulk, idle, churn := 100, 50, 3000, 20
	if s.quick {
		few, bulk, idle, churn = 10, 5, 100, 5
	}
	return []result.Workload{
		overTLS(echo(64, few)), overTLS(echo(16<<10, bulk)),
		overTLS(idleConns(idle)), collected(overTLS(idleConns(idle))),
		overTLS(result.Workload{Name: "churn", Kind: result.Churn, Size: 64, Conns: churn,
			Text: fmt.Sprintf("connections that come, make a full handshake, echo 64 bytes once, and go, %d at a time", churn)}),
	}
}

// overTLS returns a workload over TLS 1.3.
func overTLS(w result.Workload) result.Workload {
	w.Name, w.Text, w.TLS = "tls-"+w.Name, "TLS 1.3: "+w.Text, true
	return w
}

func echo(size, conns int) result.Workload {
	name, text := fmt.Sprint(size), fmt.Sprintf("%d bytes", size)
	if size >= 1<<10 {
		name, text = fmt.Sprintf("%dk", size>>10), fmt.Sprintf("%d KiB", size>>10)
	}
	return result.Workload{Name: fmt.Sprintf("echo-%s-%d", name, conns), Kind: result.Echo, Size: size, Conns: conns,
		Text: fmt.Sprintf("%s on %d connections, one message in flight on each", text, conns)}
}

// idleConns returns a workload that measures the memory of a number of connections.
func idleConns(conns int) result.Workload {
	return result.Workload{Name: fmt.Sprintf("idle-%d", conns), Kind: result.Idle, Size: 64, Conns: conns,
		Text: fmt.Sprintf("%d connections that do nothing; resident memory of the server", conns)}
}

// lowGOGC is a GOGC that lets a Go server hold little more memory than it uses.
const lowGOGC = 10

// collected returns a workload with next to no garbage in the servers' memory. A handshake makes more garbage than a
// connection keeps, and Go neither collects it nor gives the memory back before the heap has doubled.
func collected(w result.Workload) result.Workload {
	w.GOGC = lowGOGC
	w.Name += fmt.Sprintf("-gogc-%d", lowGOGC)
	w.Text += fmt.Sprintf(", with GOGC=%d", lowGOGC)
	return w
}

// chooseWorkloads returns the workloads that --workloads gives by name, by kind, or as plain or tls, in their usual
// order.
func (s *settings) chooseWorkloads() ([]result.Workload, error) {
	all := s.allWorkloads()
	if len(s.workloads) == 0 {
		return all, nil
	}
	named := func(w result.Workload, word string) bool {
		return w.Name == word || string(w.Kind) == word || w.TLS && word == "tls" || !w.TLS && word == "plain"
	}
	var names []string
	for _, w := range all {
		names = append(names, w.Name)
	}
	for _, word := range s.workloads {
		if !slices.ContainsFunc(all, func(w result.Workload) bool { return named(w, word) }) {
			return nil, fmt.Errorf("--workloads %s: there is no workload %q; expected of %s",
				strings.Join(s.workloads, ","), word, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(all, func(w result.Workload) bool {
		return !slices.ContainsFunc(s.workloads, func(word string) bool { return named(w, word) })
	}), nil
}
