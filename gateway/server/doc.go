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
// [New] checks the configuration, [Server.Listen] binds the addresses, and [Server.Serve] serves until
// [Server.Shutdown], [Server.StartDrain] or the end of its context. A server serves once. [Server.Gateway] has the
// addresses with their real ports.
//
// A verb is a method of Server that takes a request: List, Count, Send, Broadcast, Kick, SetLabels, AddBan, ListBans,
// RemoveBan, UpdateLimits. Any goroutine may call one. A handler must not make a call that blocks: Kick, a Send with
// Wait, a Broadcast with a RequestID, AddBan and RemoveBan. A zero field of a request is its default. A target that is
// not there is an [Outcome], and no error.
//
// Sending tries the kernel at once and queues the rest. Above Limits.HighWater reading from that peer pauses, at
// Limits.LowWater it resumes. A peer that takes nothing for Limits.WriteTimeout is closed with ReasonSlowConsumer. No
// queue grows beyond Limits.SendQueueLimit (and 128 KiB for handlers), and all together not beyond Limits.QueueBudget
// (and 1 MiB). A peer that sends more than Limits.ReceiveRate is read later. A peer that sends nothing at first, or
// neither sends nor takes anything any more, is found by a sweep; see Limits.FirstByteTimeout and Limits.IdleTimeout.
//
// Everything that happens is published to the server's event log, which [Server.Subscribe] reads (package event).
//
// Package control puts a gRPC control plane on a server: see the example ControlPlane here, and the example
// LineProtocol there, which is a whole program with a protocol of its own, a control plane and a client.
package server
