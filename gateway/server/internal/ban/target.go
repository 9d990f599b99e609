package ban

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"unicode/utf8"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/ipnet"
)

// Target is a network or an identity that can be banned. Targets are comparable with ==. The zero value is not a
// target.
type Target struct {
	network  netip.Prefix // masked, without a zone, and never IPv4 in its IPv6 form; the zero value for an identity
	identity string       // empty for a network
}

// TargetError says that a text cannot be the target of a ban.
type TargetError struct {
	Target   string // the text
	Identity bool   // whether an identity was expected
}

// Error quotes the text and says what is expected.
func (e *TargetError) Error() string {
	if e.Identity {
		return fmt.Sprintf("%.100q is no identity; expected 1 to %d bytes of UTF-8, as a connection's peer identity has them",
			e.Target, event.MaxIdentity)
	}
	return fmt.Sprintf("%.100q is neither an IP address nor a network; expected for example 203.0.113.7 or 2001:db8::/64",
		e.Target)
}

// ParseTarget reads an identity, or else an address or a network in CIDR form. It ignores the bits behind a network's
// prefix, and the zone of an address, because zones are names of this machine. The error is a *TargetError.
func ParseTarget(text string, identity bool) (Target, error) {
	if identity {
		if text == "" || len(text) > event.MaxIdentity || !utf8.ValidString(text) {
			return Target{}, &TargetError{Target: text, Identity: true}
		}
		return Target{identity: text}, nil
	}
	network, err := ipnet.ParseDroppingZone(text)
	if err != nil {
		return Target{}, &TargetError{Target: text}
	}
	return Target{network: network}, nil
}

// PeerTarget returns the target that a Kick bans for a peer: its proven identity, else its IPv4 address, else its IPv6
// /64 network, because a customer can take any address in it. It returns false for a peer without an identity on a unix
// socket.
func PeerTarget(addr netip.Addr, identity string) (Target, bool) {
	if identity != "" {
		return Target{identity: identity}, true
	}
	if !addr.IsValid() {
		return Target{}, false
	}
	if site, ok := ipnet.Site(addr); ok {
		return Target{network: site}, true
	}
	return Target{network: ipnet.Single(addr)}, true
}

// IsIdentity reports whether the target is an identity.
func (t Target) IsIdentity() bool { return t.identity != "" }

// String returns a text that ParseTarget reads back.
func (t Target) String() string {
	if t.IsIdentity() {
		return t.identity
	}
	return t.network.String()
}

// Covers reports whether the peer is the target or in it. An identity of "" is not known.
func (t Target) Covers(addr netip.Addr, identity string) bool {
	if t.IsIdentity() {
		return t.identity == identity
	}
	return t.network.Contains(ipnet.Addr(addr))
}

// Compare orders targets as cmp.Compare does: networks by their addresses, IPv4 first, then identities by their bytes.
func (t Target) Compare(other Target) int {
	switch {
	case t.IsIdentity() && other.IsIdentity():
		return strings.Compare(t.identity, other.identity)
	case t.IsIdentity():
		return 1
	case other.IsIdentity():
		return -1
	}
	return cmp.Or(t.network.Addr().Compare(other.network.Addr()), cmp.Compare(t.network.Bits(), other.network.Bits()))
}

// NotFoundError says that there is no ban of a target: Target is its text.
type NotFoundError struct{ Target string }

// Error quotes the target.
func (e *NotFoundError) Error() string { return fmt.Sprintf("there is no ban of %.100q", e.Target) }
