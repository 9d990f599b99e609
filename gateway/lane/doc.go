// Package lane gives the connections of a listener to programs, which own their protocol. It is the handler
// `remote:NAME` without its transport: package control carries lanes over gRPC.
//
//	table := lane.NewTable()
//	s, err := server.New(server.Config{Listeners: []server.ListenerConfig{{Address: ":7000",
//		Handler: table.Handler("chat")}}})
//	table.Start(s)
//	defer table.Stop()
//
// # Words
//
// A Handler is one NAME. An instance is one running program that is attached to it. A Lane is one stream of an
// instance. A delivery is what the gateway tells a lane about one connection, and a command is what a lane makes the
// gateway do with one connection. A position counts the bytes received from the peer up to a point.
//
// # How bytes go
//
// A connection belongs to one lane at a time, or is held: it waits for a lane. Received bytes go to the connection's
// backlog and stay there until the lane acknowledges them. The lane's writer calls Next, which takes what is not yet
// delivered. When the lane is lost, the connection goes to another one, and the backlog is delivered again from the
// acknowledged position. Do carries a command out whole or not at all, so that a reply and the acknowledgement of the
// bytes that it answers are neither lost nor doubled.
//
// # Locks
//
// Handler.mu, then owner.mu, then one of Lane.mu, quarantine.mu and watch.mu, which are leaves. owner.mu is held while
// the methods of server.Conn are called. No event loop waits for a stream: only the lane's writer calls Next.
package lane
