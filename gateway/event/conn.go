package event

import (
	"net/netip"
	"strconv"
	"time"
)

// Origin is the node and the life of it in which things happen.
type Origin struct {
	Node        string // unique in a fleet, [a-z0-9-]{1,32}
	Incarnation string // unix milliseconds at start, hex: no two lives of a node begin in the same one
}

// Listener names the data-plane address that accepted a connection.
type Listener struct {
	Name string
	Unix string // path of a unix socket; empty for TCP
}

// Identity is what never changes about a connection. It is shared by the connection, its events and its record after it
// closed; nobody may modify it.
type Identity struct {
	Origin      *Origin
	Listener    *Listener
	Seq         uint64 // counts from 1 in an incarnation
	Remote      netip.AddrPort
	Local       netip.AddrPort
	ConnectedAt time.Time
	Peer        *Peer // nil when nothing more is known of the peer than its address
}

// Peer is what TLS and a PROXY header say about a peer. The zero value of a field is what is not known.
type Peer struct {
	Proxy      netip.AddrPort // the balancer's address, when Remote is from a PROXY header
	TLSVersion string         // for example `TLS 1.3`
	Cipher     string         // for example `TLS_AES_128_GCM_SHA256`
	Protocol   string         // ALPN
	ServerName string         // SNI
	Identity   string         // of a certificate that was verified
}

// Known returns Peer, or the zero value when it is nil.
func (i *Identity) Known() Peer {
	if i.Peer == nil {
		return Peer{}
	}
	return *i.Peer
}

// ProxyAddress returns the balancer's address; empty when there is none.
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

// RemoteAddress returns the peer's address: `ip:port`, or, of a peer on a unix socket whose address no PROXY header tells, `unix:` and the
// listener's path.
func (i *Identity) RemoteAddress() string { return i.address(i.Remote) }

// LocalAddress returns the gateway's address of the socket, in the same form.
func (i *Identity) LocalAddress() string { return i.address(i.Local) }

func (i *Identity) address(a netip.AddrPort) string {
	if i.Listener.Unix != "" && !a.IsValid() {
		return "unix:" + i.Listener.Unix
	}
	return a.String()
}

// Info is a connection as it was at one moment.
type Info struct {
	*Identity                        // nil in an Info of no connection
	LastActiveAt   time.Time         // when a byte was last received or taken by the kernel
	BytesReceived  uint64            // read from the peer
	BytesSent      uint64            // taken by the kernel for the peer
	QueuedBytes    uint64            // accepted for the peer and not yet taken by the kernel
	UnsentBytes    uint64            // of a closed connection: accepted and never taken
	DiscardedBytes uint64            // arrived while it was being closed; no handler saw them
	Labels         map[string]string // never modified after it was published; nil when there are none
	ClosedAt       time.Time         // zero while it is open
	CloseText      string
	ClosedBy       string
	State          State
	CloseReason    CloseReason
	ReadPaused     bool
}

// Live reports whether the socket is still open.
func (i *Info) Live() bool { return i.State != StateClosed }

// State says where a connection is in its life.
type State uint8

// The states, in the order in which a connection can come to them.
const (
	StateOpen             State = iota + 1
	StateHalfClosedRemote       // the peer finished writing
	StateHalfClosedLocal        // the gateway finished writing, or will when its queue is empty
	StateClosing                // being flushed; nothing more is accepted
	StateClosed
)

var stateNames = [...]string{"UNSPECIFIED", "OPEN", "HALF_CLOSED_REMOTE", "HALF_CLOSED_LOCAL", "CLOSING", "CLOSED"}

// String returns the state's name, as the contract has it without its prefix.
func (s State) String() string { return name(stateNames[:], int(s)) }

// CloseReason says why a connection ended. The first reason wins.
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

// ReasonCount is one more than the highest close reason.
const ReasonCount = int(reasonCount)

var reasonNames = [...]string{"UNSPECIFIED", "PEER_CLOSED", "PEER_RESET", "IO_ERROR", "IDLE_TIMEOUT", "SLOW_CONSUMER", "KICKED",
	"SHUTDOWN", "HANDLER", "HANDLER_PANIC", "CONNECTION_LIMIT", "LISTENER_LIMIT", "IP_LIMIT", "ACCEPT_RATE", "IP_ACCEPT_RATE", "DENIED",
	"BANNED", "PROXY_HEADER", "PROXY_TIMEOUT", "PROXY_UNTRUSTED", "TLS_HANDSHAKE", "TLS_TIMEOUT", "HANDSHAKE_LIMIT",
	"FIRST_BYTE_TIMEOUT", "QUEUE_BUDGET"}

// String returns the reason's name, as the contract has it without its prefix.
func (r CloseReason) String() string { return name(reasonNames[:], int(r)) }

func name(names []string, i int) string {
	if i < len(names) {
		return names[i]
	}
	return strconv.Itoa(i)
}
