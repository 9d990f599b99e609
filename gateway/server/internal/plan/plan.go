// Package plan checks the configuration of a server.
package plan

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/ipnet"
	"github.com/sockgate/sockgate/gateway/server/internal/bind"
	"github.com/sockgate/sockgate/gateway/server/internal/framing"
)

// Listener is the configuration of one listener.
type Listener struct {
	Name, Address string
	Handled       bool // it has a handler
	TLS           *tls.Config
	Proxy         ProxyMode
	Trusted       []netip.Prefix
	Rules         framing.Rules
}

// The bounds of framing.
const (
	DefaultMaxFrame     = 64 << 10 // bytes
	maxFrame            = 16 << 20
	DefaultFrameTimeout = 30 * time.Second
	minFrameTimeout     = time.Millisecond
	maxFrameTimeout     = time.Hour
)

// checkListeners checks listeners, whose names must differ. The error names the listener and says what was expected.
func checkListeners(listeners []Listener) error {
	names := make(map[string]bool)
	for i := range listeners {
		l := &listeners[i]
		if l.Address == "" || l.Address == bind.UnixScheme {
			return fmt.Errorf("listener %q has the address %q: expected host:port or unix:///path", l.Name, l.Address)
		}
		if names[l.Name] {
			return fmt.Errorf("two listeners are called %q: names must be unique", l.Name)
		}
		names[l.Name] = true
		if !l.Handled {
			return fmt.Errorf("listener %q has no handler, and neither has the configuration", l.Name)
		}
		if err := l.checkAdmission(); err != nil {
			return err
		}
		if err := l.checkFraming(); err != nil {
			return fmt.Errorf("listener %q: %w", l.Name, err)
		}
	}
	return nil
}

// checkAdmission checks the TLS and PROXY fields.
func (l *Listener) checkAdmission() error {
	if t := l.TLS; t != nil && len(t.Certificates) == 0 && t.GetCertificate == nil && t.GetConfigForClient == nil {
		return fmt.Errorf("listener %q has TLS without a certificate: expected at least one, or a function that has one",
			l.Name)
	}
	if text := ipnet.Invalid(l.Trusted); text != "" {
		return fmt.Errorf("listener %q: trusted %s", l.Name, text)
	}
	unix := strings.HasPrefix(l.Address, bind.UnixScheme)
	switch {
	case l.Proxy < ProxyOff || l.Proxy > ProxyRequired:
		return fmt.Errorf("listener %q: PROXY mode %d: expected ProxyOff, ProxyOptional or ProxyRequired", l.Name, l.Proxy)
	case l.Proxy != ProxyOff && !unix && len(l.Trusted) == 0:
		return fmt.Errorf("listener %q takes PROXY headers (%s) and trusts nobody: expected at least one network of "+
			"balancers", l.Name, l.Proxy)
	}
	return nil
}

// checkFraming checks the fields of framing.
func (l *Listener) checkFraming() error {
	r := &l.Rules
	switch {
	case r.Limit < 1 || r.Limit > maxFrame:
		return fmt.Errorf("max frame %d: expected 1 to %d bytes", r.Limit, maxFrame)
	case r.Timeout < minFrameTimeout || r.Timeout > maxFrameTimeout:
		return fmt.Errorf("frame timeout %s: expected %s to %s", r.Timeout, minFrameTimeout, maxFrameTimeout)
	}
	return r.Format.Fits(r.Limit)
}
