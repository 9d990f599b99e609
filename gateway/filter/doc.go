// Package filter selects connections with CEL expressions (https://cel.dev). Every verb of the control plane takes the
// same language: an expression is compiled once and matched against many connections.
//
//	f, err := filter.Compile(`ip_in(remote_ip, "10.0.0.0/8") && idle > duration("5m") && labels["room"] == "7"`)
//	if f.MatchAt(info, time.Now()) { … }
//
// A Filter is a server.Matcher: wherever the server takes one, it takes a compiled expression. It may be used by any
// number of goroutines.
//
// # Variables
//
//	variable             type       meaning
//	id                   string     node.incarnation.seq, for example "edge-1.19ab0d3f1c2.42"
//	node                 string     name of the node that holds the socket
//	listener             string     name of the listener that accepted it
//	remote_address       string     the peer's "ip:port", "[ip]:port" for IPv6; "unix:" and the path for a unix socket
//	remote_ip            string     the peer's IP address; "" for a unix socket. IPv4 is never in its IPv6 form
//	remote_port          int        the peer's port; 0 for a unix socket
//	local_address        string     the gateway's own address of the socket, in the same forms
//	local_ip             string     its IP address, in the form of remote_ip
//	local_port           int        its port; 0 for a unix socket
//	connected_at         timestamp  when it was accepted
//	last_active_at       timestamp  when a byte was last received or taken by the kernel; at first, connected_at
//	closed_at            timestamp  when it was closed; timestamp("0001-01-01T00:00:00Z") while it is open
//	age                  duration   from connected_at until now, or until closed_at
//	idle                 duration   from last_active_at until now, or until closed_at
//	bytes_received       int        bytes read from the peer
//	bytes_sent           int        bytes that the kernel has taken for the peer
//	queued_bytes         int        bytes in the send queue
//	read_paused          bool       whether reading is paused because the send queue went over the high water, because it
//	                                has anything while the queue budget is scarce, or because a remote handler has not
//	                                acknowledged enough; not for a receive rate
//	state                string     "OPEN", "HALF_CLOSED_REMOTE", "HALF_CLOSED_LOCAL", "CLOSING" or "CLOSED"
//	close_reason         string     "UNSPECIFIED" while it is open; "PEER_CLOSED", "PEER_RESET", "IO_ERROR",
//	                                "IDLE_TIMEOUT", "SLOW_CONSUMER", "KICKED", "SHUTDOWN", "HANDLER", "HANDLER_PANIC",
//	                                "BANNED", "FIRST_BYTE_TIMEOUT", "QUEUE_BUDGET", "FRAME", "HANDLER_UNAVAILABLE",
//	                                "HANDLER_TIMEOUT" or "HANDLER_FAILED". No connection has a reason of refusals,
//	                                because a refused one was never admitted: "CONNECTION_LIMIT", "LISTENER_LIMIT",
//	                                "IP_LIMIT", "ACCEPT_RATE", "IP_ACCEPT_RATE", "DENIED", "PROXY_HEADER",
//	                                "PROXY_TIMEOUT", "PROXY_UNTRUSTED", "TLS_HANDSHAKE", "TLS_TIMEOUT", "HANDSHAKE_LIMIT"
//	close_text           string     the operator's words or the error's text about the close; "" when there are none
//	closed_by            string     the caller that closed it through the control plane; "" otherwise
//	tls_version          string     for example "TLS 1.3"; "" without TLS. This and the next three come from the
//	                                gateway's own TLS, or from a trusted balancer's PROXY header
//	tls_cipher           string     for example "TLS_AES_128_GCM_SHA256"; "" without TLS
//	tls_protocol         string     the application protocol that was agreed on (ALPN); "" when none was
//	tls_server_name      string     the server name that the client asked for (SNI); "" when it named none
//	peer_identity        string     the client's name in its certificate; "" when no certificate was verified
//	proxy_address        string     the balancer's "ip:port", when remote_address is from a PROXY header; "" otherwise
//	proxy_ip             string     the balancer's IP address; "" otherwise
//	handler_instance     string     the instance of a remote handler that owns it; "" while none does, and without one
//	unacknowledged_bytes int        bytes from the peer that no instance of a remote handler has acknowledged; half a
//	                                frame is not counted
//	labels               map        strings by string, as SetLabels has set them
//
// state and close_reason have only these values: the names of the contract's enums in capitals, without their prefix. A
// constant that is none of them is an error where it is compared (==, != or `in` a list) with the variable; functions
// such as startsWith take any.
//
// Timestamps are in UTC. Durations are never negative. A counter beyond the range of int reads as the largest int.
//
// # Labels
//
// labels["room"] and labels.room read as "" when the label is not set; has(labels.room) and "room" in labels ask
// whether it is set. Comparing, size() and the macros (labels.exists(k, k.startsWith("x-"))) see only the labels that
// are set.
//
// # Functions
//
// Filters have CEL's standard functions and macros, and the functions of its strings extension (charAt, indexOf, join,
// lastIndexOf, lowerAscii, replace, reverse, split, substring, trim, upperAscii) except format and strings.quote. One
// more is
//
//	ip_in(ip string, network string) bool
//
// It reports whether the address is in the network: a CIDR prefix, or one address. An IPv4 address in its IPv6 form
// counts as IPv4, a zone is ignored, and the empty string is in no network.
//
// Numbers of different types compare: bytes_sent > 1.5e9. A time zone (connected_at.getHours("Asia/Tokyo")) and the
// pattern of matches (RE2) must be constants.
//
// # Failures
//
// Compile finds every fault that does not depend on a connection, and returns an *Error with its position: syntax,
// unknown names, types, and constants that are no duration, timestamp, pattern, time zone, address, network, state or
// close reason. An expression that fails while it runs (a division by zero, int(labels.room) of a label that is no
// number) does not match, and neither does its negation. As in CEL, a failure does not matter where the other side of
// `||` or `&&` already decides.
//
// # Bounds
//
// An expression has at most MaxLength bytes and 64 levels of nesting. The estimate of its worst case is at most
// MaxCost, which keeps one match under about 100 µs. Usual expressions take well under 1 µs.
//
// More bounds hold the work of Compile. It takes at most about 5 ms and 4 MiB, whether it accepts the expression or
// refuses it; a usual expression takes about 0.1 ms. An expression has at most
//
//   - 2,048 parts (names, constants and operations), with macros expanded;
//   - 8 levels of lists and maps in a type, 3 in the key of a map, and 2,560 levels in the types of all parts together,
//     where a string, a number or a bool is one;
//   - 8 macros in each other's bodies, 8 names joined by dots, and 8 arguments in a call;
//   - 1,000 steps in its patterns together, 32 classes of Unicode (such as \pL) and ranges of 4,096 characters beyond
//     ASCII under the flag i;
//   - 20 time zones.
//
// A list of 4,096 bytes of IDs, ports or addresses, and as many conditions as 4,096 bytes hold, are within them.
package filter
