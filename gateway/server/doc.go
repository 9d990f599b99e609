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
// Bytes pass through one file a stage: accept.go (accept, limits, registry), endpoint.go (the socket's calls), the
// handler, write.go with backpressure.go, flush.go and sending.go, ending.go (the one way to end), and Closed in
// endpoint.go. The verbs are in list.go, count.go, send.go, broadcast.go, kick.go, labels.go, banverbs.go,
// updatelimits.go and drain.go.
//
// A send first offers its bytes to the kernel and queues the rest. Reading from a peer pauses above Limits.HighWater
// queued bytes, and resumes at Limits.LowWater. A peer that takes nothing for Limits.WriteTimeout is closed with
// ReasonSlowConsumer. Each queue is bounded by Limits.SendQueueLimit, and all together by Limits.QueueBudget. Both have
// a fixed reserve for handlers (budget.go). A peer that sends more than Limits.ReceiveRate is read later
// (receiverate.go). A sweep finds peers that never sent a byte or have become idle (idle.go).
//
// Bans are an immutable set, which admission reads without a lock. A file keeps them, and is replaced whole at each
// change (internal/ban).
//
// The server publishes all changes of its connections to its event log (package event).
//
// Package control puts a gRPC control plane on a server. Its example LineProtocol is a whole program with its own
// protocol, a control plane and a client.
package server
