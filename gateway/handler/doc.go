// Package handler has the gateway's built-in handlers: [Echo] sends received bytes back, [Sink] ignores them.
//
//	srv, err := server.New(server.Config{
//		Listeners: []server.ListenerConfig{{Address: ":8017"}},
//		Handler:   handler.Echo{Greeting: []byte("welcome\n")},
//	})
//
// One value serves all connections of a server, from many goroutines at once, and keeps no state about any of them. Its
// fields must not change after server.New. A handler for your own protocol is a server.Handler too: embed
// server.BaseHandler and write the methods that differ from its defaults.
package handler
