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

// A server that has not answered this many pings when the next one is due is lost.
const (
	pingEvery = 2 * time.Second
	maxPings  = 2
)

// external returns how to connect to servers of the user's own.
func (b *Bus) external() nats.Options {
	e := b.config.External
	o := b.options()
	o.Servers, o.CustomDialer = slices.Clone(e.URLs), b.dialer
	o.SkipHostLookup = true          // the library's cannot be interrupted; the dialer looks names up
	o.IgnoreDiscoveredServers = true // the user's password goes where the user said, and nowhere else
	o.Timeout = dialTimeout          // of the handshakes: the dialer has its own
	o.PingInterval, o.MaxPingsOut = pingEvery, maxPings
	o.Secure, o.TLSConfig = e.TLS != nil, e.TLS
	if e.CredentialsFile != "" {
		_ = nats.UserCredentials(e.CredentialsFile)(&o) // only sets what reads the file
	}
	return o
}

// inProcess returns how to connect to the embedded server. It needs no pings: there is no network to lose it by.
func (b *Bus) inProcess(password string) nats.Options {
	o := b.options()
	o.InProcessServer = b.dialer
	o.Timeout = dialTimeout
	o.User, o.Password = b.config.Node, password
	return o
}

// options returns what is the same for all servers: the library connects again for ever, and what is published without a connection fails.
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
			// What fails behind dialing, TLS and the user's being refused, is said nowhere else.
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

// current reports whether a connection is the one of now.
func (b *Bus) current(life uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status.Connected && b.life == life
}

// connected is called when there is a connection. It does not take messages yet that were published for another one.
func (b *Bus) connected(c *nats.Conn) {
	b.most.Store(c.MaxPayload())
	b.mu.Lock()
	b.life++
	clear(b.told)
	b.change(true, "")
	b.mu.Unlock()
	if b.server != nil {
		return // it is the process itself
	}
	b.log.Info("connected to NATS", "server", Redacted(c.ConnectedUrl()), "name", c.ConnectedServerName(), "version", c.ConnectedServerVersion())
}

// disconnected is called when there is none any more, and when it is closed for good. That there is none the fleet logs, by the status.
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
		b.log.Debug("connection to NATS lost", "reason", reason, "after", time.Since(was.Since).Round(time.Second).String())
		b.unsent(b.outbox.drop(), err)
	}
}

// failed is called when connecting failed. A reason is told once until there is a connection, although two servers may differ in theirs each
// time.
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

// change sets the status, and says so. b.mu is held.
func (b *Bus) change(connected bool, reason string) {
	if b.status.Connected != connected {
		b.status.Connected, b.status.Since = connected, time.Now()
	}
	b.status.Connecting, b.status.Problem = false, reason
	close(b.changed)
	b.changed = make(chan struct{})
}

// violation finds what a server says that it does not permit.
var violation = regexp.MustCompile(`(?i)violation for (publish|subscription) to "([^"]*)"`)

// complained is called when something went wrong on a connection that goes on.
func (b *Bus) complained(s *nats.Subscription, err error) {
	switch {
	case errors.Is(err, nats.ErrSlowConsumer) && s != nil:
		if b.due.due("slow " + s.Subject) {
			dropped, _ := s.Dropped() // fails when the subscription has ended
			b.log.Warn("messages of other nodes come faster than they are taken, and are dropped", "subject", s.Subject, "dropped", dropped,
				"room", maxPending)
		}
	case errors.Is(err, nats.ErrPermissionViolation):
		verb, subject := "", words(err)
		if found := violation.FindStringSubmatch(err.Error()); found != nil {
			verb, subject = strings.ToLower(found[1]), found[2]
		}
		if b.due.due(verb + kind(subject)) {
			b.log.Error("the NATS server does not permit what the fleet needs: give this node's user the permissions that gateway/docs/fleet.md lists, and "+
				"check that --node and --fleet are what they are for", "to", verb, "subject", subject)
		}
	case isAuth(err):
		if b.due.due("auth") {
			b.log.Warn("the NATS server refuses the user", "reason", problem(err))
		}
	default:
		b.log.Debug("NATS reports", "error", err)
	}
}

// kind is the part of a subject that all have in common that are for the same: without names of nodes.
func kind(subject string) string {
	parts := strings.SplitN(subject, ".", 4)
	return strings.Join(parts[:min(3, len(parts))], ".")
}
