// Package natsbus is the bus of a fleet over core NATS. The server is either embedded in the gateway, and makes a
// cluster with the servers of the other nodes, or the operator runs it. No other package knows NATS.
//
//	bus, err := natsbus.Open(natsbus.Config{
//		Node:     "edge-1",
//		Fleet:    "sockgate",
//		External: &natsbus.External{URLs: []string{"nats://127.0.0.1:4222"}},
//	})
//	...
//	defer bus.Close()
//
// A message passes these steps:
//
//	Publish, Subscribe → outbox → run → nats.Conn → wire → a server
//
// The NATS client holds one lock while it dials, shakes hands and writes, for seconds if a server hangs. So only one
// goroutine, run, makes calls that take that lock. Every other goroutine leaves work in the outbox, and asks the bus
// itself for its status.
//
// The embedded server does not accept the connections of other nodes itself: entrance does, bounds those that have not
// proven a certificate, and hands them over by a method that the server keeps to itself. A new version of nats-server
// therefore needs a look at entrance.go, and a version that entrance does not know accepts without a bound.
//
// Hazard: a program that links nats-server, whether it starts a server or not, reads /proc/self/stat once a second on
// Linux, because its package pse does so from the start. It also has net/http/pprof and expvar in http.DefaultServeMux,
// so a gateway must never serve that mux.
package natsbus
