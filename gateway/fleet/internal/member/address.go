package member

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// MaxAddress is the most bytes of the address of a node's control plane.
	MaxAddress = 255
	// MostAddresses is the most bytes of the addresses of all other nodes together: each is in the answer to every program
	// and in the table of nodes. 10,000 nodes have room for 26 bytes each.
	MostAddresses = 256 << 10
	// addressPeriod is the least time between two changes of the addresses, because each wakes all programs.
	addressPeriod = 2 * time.Second
)

// CheckAddress checks the address of a control plane for programs that dial it. Its text is a complaint without the
// address.
func CheckAddress(text string) error {
	if len(text) > MaxAddress {
		return fmt.Errorf("it has %d bytes; expected at most %d", len(text), MaxAddress)
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return errors.New("expected host:port, for example 10.0.0.5:8018 or edge-1.example.org:8018")
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return errors.New("expected a port from 1 to 65535")
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case err == nil && (ip.Zone() != "" || ip.Unmap().IsUnspecified() || ip.IsMulticast()):
		return errors.New("expected the address of one machine")
	case err != nil && (strings.HasPrefix(text, "[") || !hostName(host)):
		return errors.New("expected an IP address or a host name before the port")
	}
	return nil
}

// hostName reports whether a text has the form of a host's name. It may have no other characters, because programs
// pass it on to resolvers and logs.
func hostName(text string) bool {
	for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		if label == "" || len(label) > 63 || strings.HasPrefix(label, "-") || !named(label) {
			return false
		}
	}
	return true
}

func named(label string) bool {
	for _, c := range []byte(label) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// addressed returns the address that Addresses has of a member, or "".
func (m *Member) addressed() string {
	if !m.Asked() {
		return ""
	}
	return m.Address
}

// Addresses returns the addresses of the nodes that may answer, this node included, in the order of their names. Nodes
// that keep theirs to themselves are not among them. changed is closed when the addresses are others, or when one of
// these nodes has restarted: at once, or 2 s after the last change, and until then the addresses are those of before.
// Callers share the messages, and must not modify them.
func (m *Members) Addresses() (nodes []*pb.NodeAddress, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.addresses == nil {
		m.addresses = m.listAddresses()
	}
	return m.addresses, m.readdressing
}

// listAddresses returns a list that is not nil. The caller holds mu.
func (m *Members) listAddresses() []*pb.NodeAddress {
	list := make([]*pb.NodeAddress, 0, 1)
	add := func(node, address string) {
		if address != "" {
			list = append(list, &pb.NodeAddress{Node: node, Address: address})
		}
	}
	at, _ := m.search(m.origin.Node)
	for _, r := range m.table[:at] {
		add(r.Node, r.addressed())
	}
	add(m.origin.Node, m.config.Address)
	for _, r := range m.table[at:] {
		add(r.Node, r.addressed())
	}
	return list
}

// moved notes that a member has changed from what it was; a new one was nothing. The caller holds mu.
func (m *Members) moved(before *Member, r *record) {
	m.addressBytes += len(r.Address) - len(before.Address)
	if now := r.addressed(); now != before.addressed() || now != "" && r.Origin != before.Origin {
		m.readdress()
	}
}

// readdress wakes the goroutines that wait for other addresses, or does so soon. The caller holds mu.
func (m *Members) readdress() {
	if m.stale {
		return
	}
	if wait := time.Until(m.readdressed.Add(addressPeriod)); wait > 0 {
		m.stale = true
		time.AfterFunc(wait, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.tellAddresses()
		})
		return
	}
	m.tellAddresses()
}

// tellAddresses wakes the goroutines that wait for other addresses. The caller holds mu.
func (m *Members) tellAddresses() {
	m.addresses, m.stale, m.readdressed = nil, false, time.Now()
	close(m.readdressing)
	m.readdressing = make(chan struct{})
}

// admitAddress removes the address from a heartbeat if it is none, or if there is no room for it beside those of the
// other nodes. r is the sender's record, or nil. The caller holds mu.
func (m *Members) admitAddress(b *beat, r *record) {
	had := 0
	if r != nil {
		had = len(r.Address)
	}
	address := b.said.GetControlAddress()
	switch err := CheckAddress(address); {
	case address == "":
		return
	case err != nil:
		m.complain(&m.nowhere, "a node tells a control address that is none: programs are not told of it", "node", b.node,
			"address", fmt.Sprintf("%.100q", address), "problem", err)
	case len(address) > had && m.addressBytes+len(address)-had > MostAddresses:
		m.complain(&m.nowhere, "a node's control address has no room: programs are not told of it; shorten the addresses, "+
			"or forget nodes that are gone", "node", b.node, "bytes", m.addressBytes, "most", MostAddresses)
	default:
		return
	}
	b.said.ControlAddress = ""
}
