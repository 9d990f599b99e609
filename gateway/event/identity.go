package event

import (
	"net/netip"
	"strconv"
	"time"
)

// Origin names one life of a node.
type Origin struct {
	Node        string // unique in a fleet, [a-z0-9-]{1,32}
	Incarnation string // unix milliseconds at start in hex, 1 to 16 digits; no two lives of a node begin in the same one
}

// Listener names the data-plane address that accepted a connection.
type Listener struct {
	Name string
	Unix string // path of a unix socket; empty for TCP
}

// Identity is the part of a connection that never changes. The connection, its events and its record after it closed
// share one Identity: nobody may modify it, and any goroutine may read it.
type Identity struct {
	Origin      *Origin        // required
	Listener    *Listener      // required
	Seq         uint64         // counts from 1 in an incarnation; never used again
	Remote      netip.AddrPort // the peer's; invalid on a unix socket without a PROXY header
	Local       netip.AddrPort // the gateway's; invalid on a unix socket
	ConnectedAt time.Time      // when the connection was accepted
	Peer        *Peer          // nil when the address is all that is known of the peer
}

// Peer is what TLS and a PROXY header say about a peer. A field that is not known has its zero value.
type Peer struct {
	Proxy      netip.AddrPort // the balancer's address, when Remote is from a PROXY header
	TLSVersion string         // for example `TLS 1.3`
	Cipher     string         // for example `TLS_AES_128_GCM_SHA256`
	Protocol   string         // the protocol that ALPN agreed on
	ServerName string         // the name that the peer asked for by SNI
	Identity   string         // from a certificate that was verified
}

// Known returns a copy of Peer, or the zero value when Peer is nil.
func (i *Identity) Known() Peer {
	if i.Peer == nil {
		return Peer{}
	}
	return *i.Peer
}

// ProxyAddress returns the balancer's address as `ip:port`, or "" when no PROXY header named the peer.
func (i *Identity) ProxyAddress() string {
	if i.Peer == nil || !i.Peer.Proxy.IsValid() {
		return ""
	}
	return i.Peer.Proxy.String()
}

// ID returns the connection's ID, `node.incarnation.seq`.
func (i *Identity) ID() string {
	b := make([]byte, 0, len(i.Origin.Node)+len(i.Origin.Incarnation)+22)
	b = append(b, i.Origin.Node...)
	b = append(b, '.')
	b = append(b, i.Origin.Incarnation...)
	b = append(b, '.')
	return string(strconv.AppendUint(b, i.Seq, 10))
}

// RemoteAddress returns the peer's address as `ip:port`. For a peer on a unix socket it is `unix:` and the listener's
// path, unless a PROXY header tells the address.
func (i *Identity) RemoteAddress() string { return i.address(i.Remote) }

// LocalAddress returns the gateway's address of the socket, in the form of RemoteAddress.
func (i *Identity) LocalAddress() string { return i.address(i.Local) }

func (i *Identity) address(a netip.AddrPort) string {
	if i.Listener.Unix != "" && !a.IsValid() {
		return "unix:" + i.Listener.Unix
	}
	return a.String()
}

// Info is a connection as it was at one moment. It is a copy: only Identity and Labels are shared.
type Info struct {
	*Identity                        // nil in an event that is about no single connection
	LastActiveAt   time.Time         // when a byte was last received or taken by the kernel
	BytesReceived  uint64            // read from the peer
	BytesSent      uint64            // taken by the kernel for the peer
	QueuedBytes    uint64            // accepted for the peer and not yet taken by the kernel
	UnsentBytes    uint64            // accepted for the peer and lost by the close; 0 while the connection is open
	DiscardedBytes uint64            // arrived while the connection was being closed; no handler saw them
	Labels         map[string]string // never modified after it was published; nil when there are none
	ClosedAt       time.Time         // zero while the connection is open
	CloseText      string            // the operator's words or the error's text, at most 256 bytes; may be empty
	ClosedBy       string            // the caller who closed it through the control plane; empty for all other causes
	State          State
	CloseReason    CloseReason
	ReadPaused     bool // whether reading waits for the send queue to drain
}

// Live reports whether the socket is still open; in an Info without a connection it means nothing.
func (i *Info) Live() bool { return i.State != StateClosed }

// State is a stage in the life of a connection. The zero value is none.
type State uint8

// The states, in the order in which a connection can come to them.
const (
	StateOpen             State = iota + 1
	StateHalfClosedRemote       // the peer finished writing
	StateHalfClosedLocal        // the gateway finished writing, or will when its queue is empty
	StateClosing                // the send queue is being flushed; nothing more is accepted
	StateClosed
)

var stateNames = [...]string{"UNSPECIFIED", "OPEN", "HALF_CLOSED_REMOTE", "HALF_CLOSED_LOCAL", "CLOSING", "CLOSED"}

// String returns the state's name in the contract without its prefix, or the number of an unknown state.
func (s State) String() string { return name(stateNames[:], int(s)) }

// CloseReason says why a connection ended or was not admitted. The first reason wins. The zero value is ReasonNone.
type CloseReason uint8

// The close reasons. The contract (sockgate.v1.CloseReason) says what each means.
const (
	ReasonNone CloseReason = iota
	ReasonPeerClosed
	ReasonPeerReset
	ReasonIOError
	ReasonIdleTimeout
	ReasonSlowConsumer
	ReasonKicked
	ReasonShutdown
	ReasonHandler
	ReasonHandlerPanic
	ReasonConnectionLimit
	ReasonListenerLimit
	ReasonIPLimit
	ReasonAcceptRate
	ReasonIPAcceptRate
	ReasonDenied
	ReasonBanned
	ReasonProxyHeader
	ReasonProxyTimeout
	ReasonProxyUntrusted
	ReasonTLSHandshake
	ReasonTLSTimeout
	ReasonHandshakeLimit
	ReasonFirstByteTimeout
	ReasonQueueBudget
	reasonCount
)

// ReasonCount is one more than the highest close reason: the length of an array that reasons index.
const ReasonCount = int(reasonCount)

var reasonNames = [...]string{"UNSPECIFIED", "PEER_CLOSED", "PEER_RESET", "IO_ERROR", "IDLE_TIMEOUT", "SLOW_CONSUMER",
	"KICKED", "SHUTDOWN", "HANDLER", "HANDLER_PANIC", "CONNECTION_LIMIT", "LISTENER_LIMIT", "IP_LIMIT", "ACCEPT_RATE",
	"IP_ACCEPT_RATE", "DENIED", "BANNED", "PROXY_HEADER", "PROXY_TIMEOUT", "PROXY_UNTRUSTED", "TLS_HANDSHAKE",
	"TLS_TIMEOUT", "HANDSHAKE_LIMIT", "FIRST_BYTE_TIMEOUT", "QUEUE_BUDGET"}

// String returns the reason's name in the contract without its prefix, or the number of an unknown reason.
func (r CloseReason) String() string { return name(reasonNames[:], int(r)) }

func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return strconv.Itoa(i)
}
