package entrance

import "crypto/tls"

// ClientAuth returns whether clients are asked for certificates: `off`, `request` or `require`; empty without TLS.
func ClientAuth(config *tls.Config) string {
	switch {
	case config == nil:
		return ""
	case config.ClientAuth == tls.NoClientCert:
		return "off"
	case config.ClientAuth == tls.RequireAnyClientCert, config.ClientAuth == tls.RequireAndVerifyClientCert:
		return "require"
	}
	return "request"
}
