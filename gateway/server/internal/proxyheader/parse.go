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

// Found is the contents of a PROXY header.
type Found struct {
	Remote netip.AddrPort // the client's address; the zero value without one: then the socket's own address holds
	Peer   event.Peer     // the balancer's knowledge of the client; Proxy is not set
}

// Parse reads a complete PROXY header. b is exactly its bytes, and is not modified. The error says what is wrong with
// it.
func Parse(b []byte) (Found, error) {
	header, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(asLocal(b)), len(b)))
	if err != nil {
		return Found{}, errors.New(strings.TrimPrefix(err.Error(), "proxyproto: "))
	}
	var found Found
	if source, ok := header.SourceAddr.(*net.TCPAddr); ok && header.Command.IsProxy() {
		addr, _ := netip.AddrFromSlice(source.IP) // the IP has 4 or 16 bytes
		found.Remote = netip.AddrPortFrom(addr.Unmap(), uint16(source.Port))
	}
	if header.Version == 1 || isLocal(b) { // a receiver ignores the details of a LOCAL header
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

// isLocal reports whether a header of version 2 belongs to a connection of the balancer itself, which makes such
// connections as health checks.
func isLocal(b []byte) bool { return b[commandAt] == commandLocal }

// asLocal turns a header of version 2 for a client of an unknown kind, without an address, into a LOCAL one. The
// protocol lets the receiver use the socket's own address for such a client, but the parser refuses it. Other headers
// are returned unchanged.
func asLocal(b []byte) []byte {
	if b[0] == signature1[0] || b[commandAt] != commandProxy || b[familyAt] != familyNone {
		return b
	}
	b = bytes.Clone(b)
	b[commandAt] = commandLocal
	return b
}

// readDetails reads the details (TLVs) of a header of version 2. The checksum must be right. Unknown details are
// skipped.
func (p *Found) readDetails(b []byte, header *proxyproto.Header) error {
	details, err := header.TLVs() // the parser has checked that they are whole
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

// readTLS reads the balancer's details of its TLS with the client. The client's name counts only if its certificate was
// verified.
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
	// The gateway's own TLS writes the version this way.
	p.Peer.TLSVersion = strings.Replace(event.PeerText([]byte(version)), "TLSv", "TLS ", 1)
	p.Peer.Cipher = event.PeerText([]byte(cipher))
	name, _ := ssl.ClientCN()
	// Verified also holds without a certificate: nothing was found wrong with it.
	if !ssl.Verified() || !ssl.ClientCertConn() && !ssl.ClientCertSess() {
		return nil
	}
	if len(name) > event.MaxIdentity {
		return fmt.Errorf("version 2: the client's name has %d bytes; expected at most %d", len(name), event.MaxIdentity)
	}
	p.Peer.Identity = certid.Plain(name)
	return nil
}

// verifyChecksum checks the checksum of a header of version 2, if it has one, because the parser does not. The details
// must be whole.
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

// checksumWithout returns the checksum of a header whose bytes between from and to count as zeros.
func checksumWithout(b []byte, from, to int) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:from])
	sum = crc32.Update(sum, table, make([]byte, to-from))
	return crc32.Update(sum, table, b[to:])
}

// addressSize returns the length of the addresses in a header of version 2, in bytes, by their family.
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
