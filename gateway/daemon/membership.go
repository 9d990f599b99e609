package daemon

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/daemon/tlsfiles"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/internal/custody"
	"github.com/sockgate/sockgate/gateway/natsbus"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// membership is the gateway's part in a fleet. Its methods must be called in this order: openMembership, control, join,
// leave. A gateway that runs alone has a nil membership, and nothing of NATS is started then.
type membership struct {
	config natsbus.Config
	roles  map[string]pb.Role
	log    hclog.Logger
	bus    *natsbus.Bus
	node   *fleet.Node
}

// openMembership opens the files that the fleet needs. It returns nil for a gateway that runs alone. The error names
// the flag or the file.
func openMembership(c *fleetFlags, held *certificates, log hclog.Logger) (*membership, error) {
	if !c.embedded() && !c.external() {
		return nil, nil
	}
	m := &membership{log: log, config: natsbus.Config{Fleet: c.fleet(), Logger: log.Named("nats")}}
	var err error
	if m.roles, err = c.roles(); err != nil {
		return nil, err
	}
	if c.embedded() {
		m.config.Embedded = &natsbus.Embedded{Listen: c.listen, Join: c.join}
		m.config.Embedded.TLS, err = c.clusterTLS(held)
		return m, err
	}
	m.config.External = &natsbus.External{URLs: c.urls, CredentialsFile: c.credentials}
	if m.config.External.TLS, err = c.natsTLS(held); err != nil {
		return m, err
	}
	if c.credentials != "" {
		if err := cmp.Or(natsbus.CheckCredentials(c.credentials), custody.Check(c.credentials)); err != nil {
			return m, fmt.Errorf("--nats-creds: %w", err)
		}
	}
	return m, nil
}

// clusterTLS returns the TLS between nodes, or nil if there is none. The node's certificate is followed, and so are the
// CAs that it checks calling nodes against. The CAs for the nodes that it calls itself are not followed: before the
// gateway starts, a new CA must be in the file, beside the old one.
func (c *fleetFlags) clusterTLS(held *certificates) (*tls.Config, error) {
	if c.ca == "" {
		return nil, nil
	}
	config, err := held.open(tlsfiles.Config{Pairs: []tlsfiles.Pair{{Cert: c.cert, Key: c.key}}, ClientCA: []string{c.ca},
		ClientAuth: tlsfiles.ClientAuthRequire, MinVersion: tls.VersionTLS13})
	if err != nil {
		return nil, fmt.Errorf("--cluster-tls-…: %w", err)
	}
	if config.RootCAs, err = tlsfiles.Roots(c.ca); err != nil {
		return nil, fmt.Errorf("--cluster-tls-ca: %w", err)
	}
	return config, nil
}

// natsTLS returns the TLS to NATS servers, or nil if there is none.
func (c *fleetFlags) natsTLS(held *certificates) (config *tls.Config, err error) {
	config = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.natsCert != "" {
		if config, err = held.open(tlsfiles.Config{Pairs: []tlsfiles.Pair{{Cert: c.natsCert, Key: c.natsKey}}}); err != nil {
			return nil, fmt.Errorf("--nats-tls-cert: %w", err)
		}
	}
	if c.natsCA != "" {
		if config.RootCAs, err = tlsfiles.Roots(c.natsCA); err != nil {
			return nil, fmt.Errorf("--nats-tls-ca: %w", err)
		}
	}
	if !c.secure() {
		return nil, nil
	}
	return config, nil
}

// control returns the control plane: the fleet's, or that of a gateway that runs alone. Other nodes tell programs its
// address, unless that is empty. The errors are open's.
func (m *membership) control(s *server.Server, c control.Config, address string) (*control.Server, error) {
	if m == nil {
		return control.New(s, c), nil
	}
	local := control.NewLocal(s, c)
	if err := m.open(s, local, address); err != nil {
		return nil, err
	}
	return control.NewInFleet(local, m.node), nil
}

// open starts the bus for the node, whose name and incarnation are known by now. An error means that the cluster
// address cannot be listened on, or that the fleet's configuration is wrong.
func (m *membership) open(s *server.Server, local *control.Local, address string) error {
	m.config.Node = s.Cursor().Node
	var err error
	if m.bus, err = natsbus.Open(m.config); err != nil {
		return fmt.Errorf("%w (--cluster-listen)", err) // everything else was checked before
	}
	m.node, err = fleet.New(fleet.Config{Fleet: m.config.Fleet, Version: version(), Bus: m.bus, Self: s,
		Local: local, PeerRoles: m.roles, ControlAddress: address, Logger: m.log})
	if err != nil {
		m.bus.Close()
		return err
	}
	m.announce(address)
	return nil
}

// announce logs how the gateway takes part in the fleet, and the address that it tells of its control plane.
func (m *membership) announce(address string) {
	fields := []any{"name", m.config.Fleet, "mode", m.bus.Status().Mode}
	if address != "" {
		fields = append(fields, "control-address", address)
	}
	if e := m.config.Embedded; e != nil {
		m.log.Info("fleet", append(append(fields, "address", m.bus.Address()), peerFields(e.TLS != nil, e.Join)...)...)
		return
	}
	var servers []string
	for _, u := range m.config.External.URLs {
		servers = append(servers, natsbus.Redacted(u))
	}
	m.log.Info("fleet", append(fields, peerFields(m.config.External.TLS != nil, servers)...)...)
}

// warn logs a warning if the fleet admits programs that the control plane would not: over plain loopback, every program
// on the machine can be a node.
func (m *membership) warn(c *controlFlags) {
	if m == nil || !m.openToAll() {
		return
	}
	if strings.HasPrefix(c.address, unixScheme) || c.auth == "required" {
		m.log.Warn("callers have to prove their identity, and nodes of the fleet do not: every program on this machine can " +
			"be a node, and act as an admin; give --cluster-tls-cert, --cluster-tls-key and --cluster-tls-ca, or use tls:// " +
			"servers that know their users, or limit it with --fleet-peer-role")
	}
}

// openToAll reports whether nodes need not prove their identity: there is no TLS and, with external servers, no user
// either.
func (m *membership) openToAll() bool {
	if e := m.config.Embedded; e != nil {
		return e.TLS == nil
	}
	e := m.config.External
	users := slices.ContainsFunc(e.URLs, func(u string) bool { return strings.Contains(u, "@") })
	return e.TLS == nil && e.CredentialsFile == "" && !users
}

// peerFields describes the peers of a gateway for the log.
func peerFields(tls bool, peers []string) []any {
	if tls {
		return []any{"tls", "on", "peers", strings.Join(peers, " ")}
	}
	return []any{"tls", "off", "peers", strings.Join(peers, " ")}
}

// join joins the fleet, which takes at most 2 s. An error means that the gateway must not serve, because another node
// has its name. After an error, there is nothing to leave.
func (m *membership) join(ctx context.Context) error {
	if m == nil {
		return nil
	}
	err := m.node.Join(ctx)
	if twin, ok := errors.AsType[*fleet.TwinError](err); ok {
		err = fmt.Errorf("%w; give this one another name with --node, or end that one first", twin)
	} else if err == nil || ctx.Err() != nil {
		return nil // the gateway has been told to end, and is about to leave
	}
	m.bus.Close()
	return err
}

// leave leaves the fleet. Call it once the control plane answers no more calls.
func (m *membership) leave() {
	if m != nil {
		m.node.Leave()
		m.bus.Close()
	}
}
