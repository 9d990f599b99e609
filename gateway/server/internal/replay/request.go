package replay

import (
	"crypto/sha256"
	"fmt"
	"net"

	"github.com/sockgate/sockgate/gateway/event"
)

// Digest returns a digest of a request's parts, which a retry with the same ID must match.
func Digest(match string, exclude []string, data []byte) [sha256.Size]byte {
	h := sha256.New()
	fmt.Fprintf(h, "%d:", len(exclude))
	for _, part := range append([]string{match}, exclude...) {
		fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	h.Write(data)
	return [sha256.Size]byte(h.Sum(nil))
}

// OwnerOf returns the identity that a request counts for. The zero Actor, of the program itself, has no share.
func OwnerOf(a *event.Actor) Owner {
	if a.Proof == "none" { // many programs of one host
		host, _, _ := net.SplitHostPort(a.Address)
		return Owner{Name: a.Proof + " " + host}
	}
	if a.Identity == "" {
		return Owner{}
	}
	return Owner{Name: a.Proof + " " + a.Identity, Reserve: a.Role == "ADMIN"}
}
