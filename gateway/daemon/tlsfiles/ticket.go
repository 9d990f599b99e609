package tlsfiles

import (
	"bytes"
	"crypto/tls"
	"slices"
)

// ticketMark is the beginning of the mark that names a session ticket's generation.
const ticketMark = "sockgate generation "

// tickets seals and opens the session tickets of one generation. A ticket replaces a handshake, so it must not outlive
// the files that the handshake was checked against. A ticket of an earlier generation is not accepted. The client then
// makes a full handshake, which asks for a certificate under the current client CAs.
type tickets struct {
	keys *tls.Config // seals and opens for all generations; crypto/tls changes its keys every day
	mark []byte      // of this generation
}

// wrap makes a ticket of a session.
func (t *tickets) wrap(state tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
	session.Extra = append(session.Extra, t.mark)
	return t.keys.EncryptTicket(state, session)
}

// unwrap returns the session of a ticket, or nil for a ticket of another generation.
func (t *tickets) unwrap(ticket []byte, state tls.ConnectionState) (*tls.SessionState, error) {
	session, err := t.keys.DecryptTicket(ticket, state)
	if err != nil || session == nil {
		return nil, err
	}
	if !slices.ContainsFunc(session.Extra, func(extra []byte) bool { return bytes.Equal(extra, t.mark) }) {
		return nil, nil
	}
	return session, nil
}
