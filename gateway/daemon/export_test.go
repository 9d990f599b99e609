package daemon

import (
	"net"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/spf13/pflag"

	"github.com/sockgate/sockgate/gateway/server"
)

// ServerConfig returns the server's configuration for command-line arguments. The daemon follows its files until the
// test ends.
func ServerConfig(t testing.TB, args ...string) (server.Config, error) {
	t.Helper()
	var s settings
	f := pflag.NewFlagSet("gateway", pflag.ContinueOnError)
	s.flags(f)
	if err := f.Parse(args); err != nil {
		return server.Config{}, err
	}
	if err := s.validate(); err != nil {
		return server.Config{}, err
	}
	held := &certificates{log: hclog.NewNullLogger()}
	t.Cleanup(held.close)
	return s.config(held, hclog.NewNullLogger())
}

// ControlAddress exports fleetFlags.address.
func ControlAddress(flag, control string, bound net.Addr) string {
	return (&fleetFlags{controlAddress: flag}).address(control, bound)
}
