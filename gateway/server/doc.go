// Package server holds long-lived TCP and unix-socket connections, gives their bytes to a [Handler], and lets programs
// see and drive them while they live.
//
//	srv, err := server.New(server.Config{
//		Listeners: []server.ListenerConfig{{Address: ":8017"}},
//		Handler:   handler.Echo{},
//	})
//	if err != nil { … }
//	err = srv.Serve(ctx) // nil after Shutdown
//
// The data's way through the package, one file a stage: accept.go (accept, limits, registry), endpoint.go (the socket's
// calls), the handler, write.go with backpressure.go, flush.go and sending.go, ending.go (the one way to end), and
// endpoint.go's Closed. The verbs are in list.go, count.go, send.go, broadcast.go, kick.go, labels.go, banverbs.go,
// updatelimits.go and drain.go.
//
// Sending tries the kernel at once and queues the rest. Above Limits.HighWater reading from that peer pauses, at
// Limits.LowWater it resumes. A peer that takes nothing for Limits.WriteTimeout is closed with ReasonSlowConsumer. No
// queue grows beyond Limits.SendQueueLimit (and a fixed reserve for handlers), and all together not beyond
// Limits.QueueBudget (and a reserve of its own; budget.go). A peer that sends more than Limits.ReceiveRate is read
// later (receiverate.go); one that sends nothing, or nothing any more, is found by a sweep (idle.go).
//
// Bans are an immutable set that admission reads without a lock, and are kept in a file that is replaced whole
// (internal/ban).
//
// Everything that happens is published to the server's event log (package event).
//
// Package control puts a gRPC control plane on a server; its example LineProtocol is a whole program with a protocol of
// its own, a control plane and a client.
package server
