// Package fleet makes one system of several gateways. Each of them lists, sends, kicks, broadcasts and streams for all,
// and reports the nodes that it could not reach.
//
// A Node stands between the control plane and the gateway of one process. It receives calls as a gateway that runs
// alone would. It asks the nodes in the call's scope, itself included, and merges their answers into one reply. Each
// node is the only authority on its own connections: there is no consensus, and no node keeps a copy of another's
// connections.
//
//	hello, heartbeats   → members     the nodes, judged by this node's monotonic clock alone
//	call → scope → ask  → exchange    requests and answers, each to or from one life of one node
//	StreamEvents → legs → follow      one stream of events for each node, made into one
//
// The package moves messages over a Bus and knows nothing of NATS.
package fleet
