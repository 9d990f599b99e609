package event

import (
	"net/netip"
	"strconv"
	"time"
)

// Origin names one life of a node. Origins are comparable with ==.
type Origin struct {
	Node        string // unique in a fleet, [a-z0-9-]{1,32}
	Incarnation string // unix milliseconds at start in hex, 1 to 16 digits; no two lives of a node begin in the same one
}

// Listener names the data-plane address that accepted a connection.
type Listener struct {
	Name string // as configured
	Unix string // path of a unix socket; empty for TCP
}

// Identity is the part of a connection that never changes. The connection, its events and its record after it closed
// share one Identity: nobody may modify it, and any goroutine may read it. The texts of a nil Identity are empty: an
// event that is about no single connection has one.
type Identity struct {
	Origin      *Origin        // required
	Listener    *Listener      // required
	Seq         uint64         // counts from 1 in an incarnation; never used again
	Remote      netip.AddrPort // the peer's address; invalid on a unix socket without a PROXY header
	Local       netip.AddrPort // the gateway's address; invalid when the socket has no IP address
	ConnectedAt time.Time      // when the connection was accepted
	Peer        *Peer          // nil when only the address of the peer is known
}

// Peer is the information about a peer from TLS and a PROXY header. An unknown field has its zero value.
type Peer struct {
	Proxy      netip.AddrPort // the balancer's address, when Remote is from a PROXY header
	TLSVersion string         // for example `TLS 1.3`
	Cipher     string         // for example `TLS_AES_128_GCM_SHA256`
	Protocol   string         // the protocol that ALPN agreed on
	ServerName string         // the name that the peer asked for by SNI
	Identity   string         // from a verified certificate; empty without one
}

// Known returns a copy of Peer, or the zero value when Peer is nil.
func (i *Identity) Known() Peer {
	if i == nil || i.Peer == nil {
		return Peer{}
	}
	return *i.Peer
}

// ProxyAddr returns the balancer's address as `ip:port`, or "" when no PROXY header named the peer.
func (i *Identity) ProxyAddr() string {
	if i == nil || i.Peer == nil || !i.Peer.Proxy.IsValid() {
		return ""
	}
	return i.Peer.Proxy.String()
}

// ID returns the connection's ID, `node.incarnation.seq`.
func (i *Identity) ID() string {
	if i == nil {
		return ""
	}
	const rest = 22 // two dots and the digits of a uint64
	return string(i.AppendID(make([]byte, 0, len(i.Origin.Node)+len(i.Origin.Incarnation)+rest)))
}

// RemoteAddr returns the peer's address as `ip:port`. For a peer on a unix socket it is `unix:` and the listener's
// path, unless a PROXY header tells the address.
func (i *Identity) RemoteAddr() string {
	if i == nil {
		return ""
	}
	return i.address(i.Remote)
}

// LocalAddr returns the gateway's address of the socket, in the form of RemoteAddr.
func (i *Identity) LocalAddr() string {
	if i == nil {
		return ""
	}
	return i.address(i.Local)
}

func (i *Identity) address(a netip.AddrPort) string {
	if i.Listener.Unix != "" && !a.IsValid() {
		return "unix:" + i.Listener.Unix
	}
	return a.String()
}

// AppendID appends the text of ID to b and returns the longer slice. It allocates only to grow b.
func (i *Identity) AppendID(b []byte) []byte {
	if i == nil {
		return b
	}
	b = append(b, i.Origin.Node...)
	b = append(b, '.')
	b = append(b, i.Origin.Incarnation...)
	b = append(b, '.')
	return strconv.AppendUint(b, i.Seq, 10)
}

// AppendRemoteAddr appends the text that RemoteAddr returns to b, as AppendID does.
func (i *Identity) AppendRemoteAddr(b []byte) []byte {
	if i == nil {
		return b
	}
	return i.appendAddress(b, i.Remote)
}

// AppendLocalAddr appends the text that LocalAddr returns to b, as AppendID does.
func (i *Identity) AppendLocalAddr(b []byte) []byte {
	if i == nil {
		return b
	}
	return i.appendAddress(b, i.Local)
}

func (i *Identity) appendAddress(b []byte, a netip.AddrPort) []byte {
	switch {
	case a.IsValid():
		return a.AppendTo(b)
	case i.Listener.Unix != "":
		return append(append(b, "unix:"...), i.Listener.Unix...)
	}
	return append(b, a.String()...) // AppendTo writes nothing for an invalid address
}
