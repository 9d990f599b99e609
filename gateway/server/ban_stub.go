package server

import "net/netip"

// banned reports whether an address or an identity is banned, and why.
func (s *Server) banned(addr netip.Addr, identity string) (text string, yes bool) { return "", false }

// endIfBanned closes a connection that was admitted while a ban of its peer was made.
func (c *Conn) endIfBanned() {}
