package daemon

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/sockgate/sockgate/gateway/server"
)

// proxyFlags say whether connections begin with a PROXY header. They come from the flags, or from the words of one
// listener. An empty field was not given.
type proxyFlags struct {
	mode    string // off, optional or required
	trusted prefixes
}

func (p *proxyFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&p.mode, "proxy-protocol", "off", "PROXY headers (versions 1 and 2): off, optional or required")
	f.Var(&p.trusted, "proxy-trusted", "network (CIDR) of load balancers whose PROXY headers are trusted; may be "+
		"given again")
}

// over fills in the defaults for the fields that were not given.
func (p proxyFlags) over(defaults proxyFlags) proxyFlags {
	p.mode = cmp.Or(p.mode, defaults.mode)
	if len(p.trusted) == 0 {
		p.trusted = defaults.trusted
	}
	return p
}

// settled returns a listener's mode and the networks that it trusts.
func (p *proxyFlags) settled() (server.ProxyMode, prefixes, error) {
	for _, mode := range []server.ProxyMode{server.ProxyOff, server.ProxyOptional, server.ProxyRequired} {
		switch {
		case p.mode != mode.String():
		case mode == server.ProxyOff:
			return mode, nil, nil
		case len(p.trusted) == 0:
			return mode, nil, errors.New("PROXY headers need a sender that is trusted: give the networks of the balancers, " +
				"for example proxy-trusted=10.0.0.0/8, or --proxy-trusted for all listeners")
		default:
			return mode, p.trusted, nil
		}
	}
	return 0, nil, fmt.Errorf("proxy=%.100s: expected off, optional or required", p.mode)
}
