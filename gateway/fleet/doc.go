// Package fleet makes one system of several gateways: any of them lists, sends, kicks, broadcasts and streams for all,
// and says which nodes it could not reach.
//
// A Node stands between a node's control plane and the node itself. Calls come to it as to a gateway that runs alone;
// it asks the nodes that a call is for, itself included, and makes one reply of their answers. Each node is the only
// authority on its own connections: there is no consensus, and no node keeps a copy of another's connections.
//
//	hello, heartbeats   → members     the nodes, judged by this node's monotonic clock alone
//	call → scope → ask  → exchange    requests and answers, each to or from one life of one node
//	StreamEvents → legs → follow      one stream of events for each node, made into one
//
// The package moves messages over a Bus and knows nothing of NATS.
package fleet
