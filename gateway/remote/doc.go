// Package remote lets a program own the protocol of a gateway's connections. A listener with the handler `remote:NAME`
// gives each of its connections to a program that serves NAME. The gateway keeps the sockets, so that connections
// outlive the program.
//
//	conn, err := grpc.NewClient("gateway:8018", grpc.WithTransportCredentials(credentials))
//	if err != nil { … }
//	err = remote.Serve(ctx, conn, remote.Config{Handler: "chat"}, chat{}) // nil after the end of ctx
//
// # Words
//
// An instance is one running program. A lane is one stream between an instance and a gateway. Each lane owns some of
// the connections, and calls the [Handler] for them. A position counts the bytes received from the peer up to a point,
// from the start of the connection.
//
// # Promises
//
// Receiving is at least once. When a lane is lost, each of its connections goes to another lane, of this program or
// another instance, as a new [Conn]. It begins with the first byte that was not acknowledged.
//
// Replying is exactly once. A call of Open, Data or End makes one command: all that the call sends, sets and closes,
// and the acknowledgement of its bytes. The gateway carries a command out whole or not at all. A handler that answers
// later calls [Conn.Defer]. A send outside of a call is a command of its own. For effects elsewhere, the pair of
// [Conn.ID] and [Conn.Position] is a key that is the same in a replay.
//
// # Bounds
//
// Commands that wait for the network hold at most 1 MiB a lane, and one command more. Above that, a call that sends
// blocks until there is room or the lane ends. A lane ends when its gateway says or takes nothing for 15 s. Changes of
// one connection that wait, for the end of a call or for [Answer.Done], hold at most 1 MiB of data. A batch that was
// used is used again: a busy lane keeps up to about 3 MiB. A lane has two goroutines, and needs none, no timer and no
// channel for a message.
package remote
