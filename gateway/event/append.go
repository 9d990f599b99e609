package event

import (
	"net/netip"
	"strconv"
)

// AppendID appends the text that ID returns to b and returns the longer slice. It allocates only to grow b.
func (i *Identity) AppendID(b []byte) []byte {
	b = append(b, i.Origin.Node...)
	b = append(b, '.')
	b = append(b, i.Origin.Incarnation...)
	b = append(b, '.')
	return strconv.AppendUint(b, i.Seq, 10)
}

// AppendRemoteAddress appends the text that RemoteAddress returns to b, as AppendID does.
func (i *Identity) AppendRemoteAddress(b []byte) []byte { return i.appendAddress(b, i.Remote) }

// AppendLocalAddress appends the text that LocalAddress returns to b, as AppendID does.
func (i *Identity) AppendLocalAddress(b []byte) []byte { return i.appendAddress(b, i.Local) }

func (i *Identity) appendAddress(b []byte, a netip.AddrPort) []byte {
	switch {
	case a.IsValid():
		return a.AppendTo(b)
	case i.Listener.Unix != "":
		return append(append(b, "unix:"...), i.Listener.Unix...)
	}
	return append(b, a.String()...) // AppendTo writes nothing for an invalid address
}
