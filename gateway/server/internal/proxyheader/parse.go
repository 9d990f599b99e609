package proxyheader

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"strings"

	"github.com/pires/go-proxyproto"
	"github.com/pires/go-proxyproto/tlvparse"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/certid"
)

// Found is what a PROXY header says.
type Found struct {
	Remote netip.AddrPort // the client's address; the zero value when the header has none, and the socket's own holds
	Peer   event.Peer     // what the balancer knows of the client: all but Proxy
}

// Parse reads a complete PROXY header: exactly its bytes, which it leaves as they are. The error says what is
// wrong with it.
func Parse(b []byte) (Found, error) {
	header, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(asLocal(b)), len(b)))
	if err != nil {
		return Found{}, errors.New(strings.TrimPrefix(err.Error(), "proxyproto: "))
	}
	var found Found
	if source, ok := header.SourceAddr.(*net.TCPAddr); ok && header.Command.IsProxy() {
		addr, _ := netip.AddrFromSlice(source.IP) // 4 or 16 bytes
		found.Remote = netip.AddrPortFrom(addr.Unmap(), uint16(source.Port))
	}
	if header.Version == 1 || isLocal(b) { // what a LOCAL one has is to be passed over
		return found, nil
	}
	return found, found.readDetails(b, header)
}

// Offsets and values of the bytes of version 2.
const (
	commandAt    = 12
	commandLocal = 0x20
	commandProxy = 0x21
	familyAt     = 13
	familyNone   = 0
)

// isLocal reports whether a header of version 2 is of a connection that the balancer itself made, to see whether the
// gateway lives.
func isLocal(b []byte) bool { return b[commandAt] == commandLocal }

// asLocal returns a header of version 2 that is of a client of an unknown kind, without an address, as one of a LOCAL
// connection: the parser refuses it, while the protocol lets the receiver take the socket's own address. Other headers
// are returned as they are.
func asLocal(b []byte) []byte {
	if b[0] == signature1[0] || b[commandAt] != commandProxy || b[familyAt] != familyNone {
		return b
	}
	b = bytes.Clone(b)
	b[commandAt] = commandLocal
	return b
}

// readDetails reads the details of a header of version 2 (TLVs): the checksum has to be right, and those that are not
// known are passed over.
func (p *Found) readDetails(b []byte, header *proxyproto.Header) error {
	details, err := header.TLVs() // which has looked whether they are whole
	if err != nil {
		return errors.New("version 2: its last detail (TLV) is cut off")
	}
	if err := verifyChecksum(b); err != nil {
		return err
	}
	for _, d := range details {
		switch d.Type {
		case proxyproto.PP2_TYPE_ALPN:
			p.Peer.Protocol = event.PeerText(d.Value)
		case proxyproto.PP2_TYPE_AUTHORITY:
			p.Peer.ServerName = event.PeerText(d.Value)
		case proxyproto.PP2_TYPE_SSL:
			if err := p.readTLS(d); err != nil {
				return err
			}
		}
	}
	return nil
}

// readTLS reads what the balancer says of its TLS with the client. The client's name counts only when its certificate
// was verified.
func (p *Found) readTLS(detail proxyproto.TLV) error {
	ssl, err := tlvparse.SSL(detail)
	if err != nil {
		return errors.New("version 2: what it says of TLS (PP2_TYPE_SSL) is malformed")
	}
	if !ssl.ClientSSL() {
		return nil
	}
	version, _ := ssl.SSLVersion()
	cipher, _ := ssl.SSLCipher()
	// as the gateway's own TLS is called
	p.Peer.TLSVersion = strings.Replace(event.PeerText([]byte(version)), "TLSv", "TLS ", 1)
	p.Peer.Cipher = event.PeerText([]byte(cipher))
	name, _ := ssl.ClientCN()
	// without a certificate, nothing was found wrong with it
	if !ssl.Verified() || !ssl.ClientCertConn() && !ssl.ClientCertSess() {
		return nil
	}
	if len(name) > event.MaxIdentity {
		return fmt.Errorf("version 2: the client's name has %d bytes; expected at most %d", len(name), event.MaxIdentity)
	}
	p.Peer.Identity = certid.Plain(name)
	return nil
}

// verifyChecksum compares a header of version 2, whose details are whole, with the checksum in it, if there is one. The
// parser does not.
func verifyChecksum(b []byte) error {
	const size = 4
	for at := proxyV2 + addressSize(b); at < len(b); {
		value := at + 3 // behind a byte of type and two of length
		end := value + int(binary.BigEndian.Uint16(b[at+1:]))
		if proxyproto.PP2Type(b[at]) == proxyproto.PP2_TYPE_CRC32C {
			if end-value != size {
				return fmt.Errorf("version 2: its checksum has %d bytes; expected %d", end-value, size)
			}
			if sum := checksumWithout(b, value, end); sum != binary.BigEndian.Uint32(b[value:]) {
				return errors.New("version 2: its checksum (CRC32C) is wrong")
			}
		}
		at = end
	}
	return nil
}

// checksumWithout is the checksum of a header, with the bytes that hold it counted as zeros.
func checksumWithout(b []byte, from, to int) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:from])
	sum = crc32.Update(sum, table, make([]byte, to-from))
	return crc32.Update(sum, table, b[to:])
}

// addressSize is how many bytes the addresses in a header of version 2 take, by their family.
func addressSize(b []byte) int {
	switch b[familyAt] >> 4 {
	case 1: // IPv4
		return 12
	case 2: // IPv6
		return 36
	case 3: // unix
		return 216
	}
	return 0
}
