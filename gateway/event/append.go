package event

import (
	"net/netip"
	"strconv"
)

// AppendID appends what ID returns, for those who write many.
func (i *Identity) AppendID(b []byte) []byte {
	b = append(b, i.Origin.Node...)
	b = append(b, '.')
	b = append(b, i.Origin.Incarnation...)
	b = append(b, '.')
	return strconv.AppendUint(b, i.Seq, 10)
}

// AppendRemoteAddress appends what RemoteAddress returns.
func (i *Identity) AppendRemoteAddress(b []byte) []byte { return i.appendAddress(b, i.Remote) }

// AppendLocalAddress appends what LocalAddress returns.
func (i *Identity) AppendLocalAddress(b []byte) []byte { return i.appendAddress(b, i.Local) }

func (i *Identity) appendAddress(b []byte, a netip.AddrPort) []byte {
	switch {
	case a.IsValid():
		return a.AppendTo(b)
	case i.Listener.Unix != "":
		return append(append(b, "unix:"...), i.Listener.Unix...)
	}
	return append(b, a.String()...) // of which AppendTo says nothing
}
