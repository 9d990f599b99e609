// Package door admits connections on one address: it binds it, accepts, and makes the checks that need no byte of the
// peer. The others are entrance's.
package door

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/ipnet"
	"github.com/sockgate/sockgate/gateway/server/internal/admission"
	"github.com/sockgate/sockgate/gateway/server/internal/bind"
	"github.com/sockgate/sockgate/gateway/server/internal/entrance"
	"github.com/sockgate/sockgate/gateway/server/internal/registry"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
	"github.com/sockgate/sockgate/gateway/server/internal/trouble"
)

// House is what the doors of a server share.
type House struct {
	Places     Places // of all connections
	Admissions *entrance.Table
	Addresses  *admission.Addresses
	Clock      transport.Clock
	Layer      *transport.TLS
	Log        *event.Log
	Logger     hclog.Logger
	Limits     func(listener string) Limits // those in force
}

// Places are taken by connections, pending and live.
type Places interface {
	// Reserve takes a place for a pending connection, unless limit are taken; 0 is no limit.
	Reserve(limit int) bool
	// Release gives back the place of a pending connection.
	Release()
}

// Limits are the limits in force for a door.
type Limits struct {
	Connections      int // of the server
	Own              int // of the door's own connections
	HandshakeTimeout time.Duration
	MaxHandshakes    int
}

// Config is the configuration of a door.
type Config struct {
	Name     string
	Address  string // as bind.Listen reads it
	TLS      *tls.Config
	Proxied  bool // trusted balancers may begin with a PROXY header
	Required bool // every connection must
	Trusted  []netip.Prefix
	// Open turns an admitted socket into a registered connection; see entrance.House.
	Open func(socket transport.Socket, remote, local netip.AddrPort, peer *event.Peer, counted bool) transport.Endpoint
}

// Door accepts connections on one address. New makes it. Its methods may be called from any goroutine, once Bind has
// returned.
type Door struct {
	*trouble.Trouble
	Label  *event.Listener // set by Bind
	Places registry.Places // taken by its connections

	house    *House
	config   Config
	net      net.Listener
	acceptor transport.Acceptor // nil until Accept
	open     atomic.Bool
	entrance *entrance.Entrance
	trusted  ipnet.Set // balancers that may send PROXY headers
}

// New returns a door that is not bound yet. The counters of its Trouble must be set before it accepts.
func New(house *House, config Config) *Door {
	d := &Door{house: house, config: config, trusted: ipnet.NewSet(config.Trusted)}
	d.entrance = &entrance.Entrance{House: d, Table: house.Admissions, Addresses: house.Addresses, Clock: house.Clock,
		Layer: house.Layer, TLS: config.TLS, Required: config.Required}
	d.Trouble = trouble.New(house.Log, house.Logger, config.Name, d.peerAddress)
	return d
}

// Bind opens the door's address.
func (d *Door) Bind() error {
	ln, err := bind.Listen(d.config.Address)
	if err != nil {
		return fmt.Errorf("listener %q: %w", d.config.Name, err)
	}
	d.net = ln
	d.Label = &event.Listener{Name: d.config.Name}
	if path, ok := strings.CutPrefix(d.config.Address, bind.UnixScheme); ok {
		d.Label.Unix = path
	}
	d.open.Store(true)
	return nil
}

// IsOpen reports whether the door is bound, and not closed yet.
func (d *Door) IsOpen() bool { return d.open.Load() }

// Address returns the bound address in the operator's notation.
func (d *Door) Address() string {
	switch {
	case d.net == nil:
		return d.config.Address
	case d.Label.Unix != "":
		return "unix:" + d.Label.Unix
	}
	return d.net.Addr().String()
}

// Detail describes the door for an event.
func (d *Door) Detail() *event.ListenerDetail {
	return &event.ListenerDetail{Name: d.config.Name, Address: d.Address()}
}

// Close stops accepting. When it returns, no new connection comes, and connections that wait in the kernel are reset.
// It leaves pending connections to entrance.Table.RefuseAll.
func (d *Door) Close() {
	if d.net == nil || !d.open.CompareAndSwap(true, false) {
		return
	}
	ending := d.net.Close
	if d.acceptor != nil {
		ending = d.acceptor.Close
	}
	if err := ending(); err != nil {
		d.house.Logger.Warn("closing a listener failed", "listener", d.config.Name, "error", err)
	}
	d.StopFailures()
}

// Accept makes an engine accept connections.
func (d *Door) Accept(engine transport.Engine) (err error) {
	d.acceptor, err = engine.Accept(d.net, d)
	return err
}

// peerAddress returns a peer's address as text: for a unix socket the listener's path.
func (d *Door) peerAddress(remote netip.AddrPort) string {
	return (&event.Identity{Listener: d.Label, Remote: remote}).RemoteAddr()
}

// Admit decides on an accepted socket. It makes the cheapest checks first, so that a full server and an attack cost
// little. A socket that has to send a PROXY header or TLS handshake first becomes pending. Any other is a connection or
// refused at once.
func (d *Door) Admit(socket transport.Socket, remote, local netip.AddrPort) transport.Endpoint {
	d.Accepted()
	if r := d.Reserve(remote); r.Refuses() {
		d.Refuse(r, remote)
		return nil
	}
	balancer := d.config.Proxied && d.trusts(remote)
	if balancer { // its own address matters no more
		return d.entrance.AwaitHeader(socket, remote, local)
	}
	if d.config.Required {
		d.turnAway(admission.Refusal{Reason: event.ReasonProxyUntrusted,
			Text: "the peer is none of the trusted balancers, and a PROXY header is required"}, remote)
		return nil
	}
	counted, r := d.house.Addresses.Judge(remote)
	if r.Refuses() {
		d.turnAway(r, remote)
		return nil
	}
	if d.config.TLS != nil {
		return d.entrance.AwaitHandshake(socket, remote, local, counted)
	}
	return d.Open(socket, remote, local, nil, counted)
}

// Open implements entrance.House.
func (d *Door) Open(socket transport.Socket, remote, local netip.AddrPort, peer *event.Peer,
	counted bool) transport.Endpoint {
	return d.config.Open(socket, remote, local, peer, counted)
}

// Handshakes returns the limits on admissions in force.
func (d *Door) Handshakes() (timeout time.Duration, most int) {
	l := d.house.Limits(d.config.Name)
	return l.HandshakeTimeout, l.MaxHandshakes
}

// Panicked logs a panic of the listener's TLS configuration.
func (d *Door) Panicked(p *transport.PanicError) {
	d.house.Logger.Error("the TLS configuration panicked", "listener", d.config.Name, "panic",
		event.ShortText(fmt.Sprint(p.Value)), "stack", string(p.Stack))
}

// Reserve takes a place for a newcomer, or returns the limit that is reached. At a limit, a pending connection of the
// address that has the most gives way.
func (d *Door) Reserve(remote netip.AddrPort) admission.Refusal {
	h, limits := d.house, d.house.Limits(d.config.Name)
	r := admission.Refusal{Reason: event.ReasonConnectionLimit, Limit: limits.Connections}
	if !h.Places.Reserve(r.Limit) &&
		!(h.Admissions.MakeRoom(remote, r, h.Clock.Now()) && h.Places.Reserve(r.Limit)) {
		return r
	}
	r = admission.Refusal{Reason: event.ReasonListenerLimit, Limit: limits.Own}
	if !d.Places.Reserve(r.Limit) && !(d.entrance.MakeRoom(remote, r) && d.Places.Reserve(r.Limit)) {
		h.Places.Release()
		return r
	}
	return admission.Refusal{}
}

// Release gives back the place of a refused connection.
func (d *Door) Release() {
	d.Places.Release()
	d.house.Places.Release()
}

// turnAway refuses a connection that has a place.
func (d *Door) turnAway(r admission.Refusal, remote netip.AddrPort) {
	d.Refuse(r, remote)
	d.Release()
}

// trusts reports whether the peer is a balancer whose PROXY header is believed. On a unix socket every peer is, because
// the rights of the socket file decide which processes may connect.
func (d *Door) trusts(remote netip.AddrPort) bool {
	return d.Label.Unix != "" || d.trusted.Contains(admission.AddressOf(remote))
}
