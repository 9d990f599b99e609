// Package natsbus is the bus of a fleet over core NATS: with a server inside the gateway, which makes a cluster with those of the other
// nodes, or with servers of the user's own. It is the only package that knows NATS.
//
//	Publish, Subscribe → outbox → run → nats.Conn → wire → a server
//
// The client of NATS holds one lock while it dials, shakes hands and writes, for seconds when a server hangs. So only one goroutine, run,
// calls what takes that lock. Everybody else leaves work in the outbox, and asks the bus itself how it is connected.
//
// A program that links nats-server, whether it starts one or not, reads /proc/self/stat once a second on Linux (its package pse begins that
// when the program does), and has net/http/pprof and expvar in http.DefaultServeMux, which a gateway must therefore never serve.
package natsbus
