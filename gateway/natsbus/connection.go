package natsbus

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Pings to a server. A server that has left maxPings of them unanswered when the next one is due is lost: after 6 s.
const (
	pingEvery = 2 * time.Second
	maxPings  = 2
)

// external returns the options for connecting to external servers.
func (b *Bus) external() nats.Options {
	e := b.config.External
	o := b.options()
	o.Servers, o.CustomDialer = slices.Clone(e.URLs), b.dialer
	o.SkipHostLookup = true          // the library's lookup cannot be interrupted; the dialer looks names up
	o.IgnoreDiscoveredServers = true // the password goes only to the servers that the operator named
	o.Timeout = dialTimeout          // for the handshakes; the dialer has its own timeout
	o.PingInterval, o.MaxPingsOut = pingEvery, maxPings
	o.Secure, o.TLSConfig = e.TLS != nil, e.TLS
	if e.CredentialsFile != "" {
		_ = nats.UserCredentials(e.CredentialsFile)(&o) // sets callbacks that read the file, and cannot fail
	}
	return o
}

// inProcess returns the options for connecting to the embedded server. No network lies between, so there are no pings.
func (b *Bus) inProcess(password string) nats.Options {
	o := b.options()
	o.InProcessServer = b.dialer
	o.Timeout = dialTimeout
	o.User, o.Password = b.config.Node, password
	return o
}

// options returns the options for every server. The library reconnects for ever, and publishing without a connection
// fails.
func (b *Bus) options() nats.Options {
	var conn atomic.Pointer[nats.Conn]
	return nats.Options{
		Name:                 b.config.Node,
		NoEcho:               true,
		AllowReconnect:       true,
		MaxReconnect:         -1,
		RetryOnFailedConnect: true,
		IgnoreAuthErrorAbort: true,
		ReconnectBufSize:     -1,
		CustomReconnectDelayCB: func(attempts int) time.Duration {
			// No other callback reports a failure after dialing, such as a failed TLS handshake or a refused user.
			if c := conn.Load(); c != nil && c.LastError() != nil {
				b.failed(c.LastError())
			}
			return delay(attempts)
		},
		ConnectedCB:       func(c *nats.Conn) { b.connected(c) },
		ReconnectedCB:     func(c *nats.Conn) { b.connected(c) },
		DisconnectedErrCB: func(c *nats.Conn, err error) { conn.Store(c); b.disconnected(err) },
		ReconnectErrCB:    func(c *nats.Conn, err error) { conn.Store(c); b.failed(err) },
		AsyncErrorCB:      func(_ *nats.Conn, s *nats.Subscription, err error) { b.complained(s, err) },
	}
}

// current reports whether the bus is connected and life is the number of that connection.
func (b *Bus) current(life uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status.Connected && b.life == life
}

// connected records a new connection. Messages that were published for an earlier one are not sent on it.
func (b *Bus) connected(c *nats.Conn) {
	b.most.Store(c.MaxPayload())
	b.mu.Lock()
	b.life++
	clear(b.told)
	b.change(true, "")
	b.mu.Unlock()
	if b.server != nil {
		return // the server is in this process
	}
	b.log.Info("connected to NATS", "server", Redacted(c.ConnectedUrl()), "name", c.ConnectedServerName(),
		"version", c.ConnectedServerVersion())
}

// disconnected records that the connection was lost, or closed for good. It logs no warning, because the fleet does,
// from the status.
func (b *Bus) disconnected(err error) {
	reason := problem(err)
	b.mu.Lock()
	was := b.status
	if was.Connected {
		b.told[reason] = true
		b.change(false, reason)
	}
	b.mu.Unlock()
	if was.Connected && !b.outbox.over() {
		b.log.Debug("connection to NATS lost", "reason", reason,
			"after", time.Since(was.Since).Round(time.Second).String())
		b.unsent(b.outbox.drop(), err)
	}
}

// failed records that an attempt to connect failed. Each reason is logged once until there is a connection, even if the
// attempts go to several servers that fail for different reasons.
func (b *Bus) failed(err error) {
	reason := problem(err)
	b.mu.Lock()
	known := b.status.Connected || b.told[reason] || len(b.told) >= maxOccasions
	if !known {
		b.told[reason] = true
		b.change(false, reason)
	} else if !b.status.Connected {
		b.status.Problem = reason
	}
	b.mu.Unlock()
	if !known {
		b.log.Debug("cannot connect to NATS", "reason", reason)
	}
}

// change sets the status and closes the channel of Changed. The caller holds b.mu.
func (b *Bus) change(connected bool, reason string) {
	if b.status.Connected != connected {
		b.status.Connected, b.status.Since = connected, time.Now()
	}
	b.status.Connecting, b.status.Problem = false, reason
	close(b.changed)
	b.changed = make(chan struct{})
}

// violation matches a server's text about an operation that it does not permit, with the operation and the subject.
var violation = regexp.MustCompile(`(?i)violation for (publish|subscription) to "([^"]*)"`)

// complained logs an error on a connection that goes on.
func (b *Bus) complained(s *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer) && s != nil:
		if b.due.due("slow " + s.Subject) {
			dropped, _ := s.Dropped() // fails if the subscription has ended
			b.log.Warn("messages of other nodes come faster than they are taken, and are dropped", "subject", s.Subject,
				"dropped", dropped, "room", maxPending)
		}
	case errors.Is(err, nats.ErrPermissionViolation):
		verb, subject := "", words(err)
		if found := violation.FindStringSubmatch(err.Error()); found != nil {
			verb, subject = strings.ToLower(found[1]), found[2]
		}
		if b.due.due(verb + kind(subject)) {
			b.log.Error("the NATS server does not permit what the fleet needs: give this node's user the permissions that "+
				"gateway/docs/fleet.md lists, and check that they are for this node's name and fleet", "to", verb,
				"subject", subject)
		}
	case isAuth(err):
		if b.due.due("auth") {
			b.log.Warn("the NATS server refuses the user", "reason", problem(err))
		}
	default:
		b.log.Debug("NATS reports", "error", err)
	}
}

// kind returns the first three words of a subject: the fleet and the purpose, without names of nodes.
func kind(subject string) string {
	parts := strings.SplitN(subject, ".", 4)
	return strings.Join(parts[:min(3, len(parts))], ".")
}
