package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/fleet"
	"github.com/sockgate/sockgate/gateway/internal/ipnet"
	"github.com/sockgate/sockgate/gateway/natsbus"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// defaultFleet is the name of a fleet without --fleet.
	defaultFleet = "sockgate"
	// anyPeer stands for all nodes that --fleet-peer-role does not name.
	anyPeer = "*"
	// tellNobody is --fleet-control-address of a gateway that keeps its control plane's address to itself.
	tellNobody = "none"
	// plainScheme and tlsScheme begin the URLs of NATS servers.
	plainScheme, tlsScheme = "nats", "tls"
)

// fleetFlags name the gateway's fleet and the ways to the other nodes. Without a cluster address and a NATS URL the
// gateway runs alone.
type fleetFlags struct {
	name           string // empty: defaultFleet
	peerRoles      []string
	controlAddress string // empty: see address

	listen        string // of the embedded NATS server; empty: there is none
	join          []string
	cert, key, ca string

	urls                      []string // of external NATS servers
	natsCA, natsCert, natsKey string
	credentials               string
}

func (c *fleetFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&c.name, "fleet", "", "name of the fleet: 1 to 32 of a-z, 0-9 and - (default "+defaultFleet+"); with "+
		"--cluster-listen or --nats-url")
	f.StringVar(&c.listen, "cluster-listen", "", "address of an embedded server for the other nodes of a fleet, "+
		"host:port, in place of NATS servers; beyond loopback it needs TLS")
	f.StringArrayVar(&c.join, "cluster-join", nil, "address of another node, host:port; may be given again. All nodes "+
		"can have the same list: a node's own address does no harm")
	f.StringVar(&c.cert, "cluster-tls-cert", "", "PEM file of this node's certificate, for both ends of connections "+
		"between nodes")
	f.StringVar(&c.key, "cluster-tls-key", "", "PEM file of the private key of --cluster-tls-cert")
	f.StringVar(&c.ca, "cluster-tls-ca", "", "PEM file of the CAs that nodes' certificates must chain to; every "+
		"owner of such a certificate can be a node")
	f.StringArrayVar(&c.urls, "nats-url", nil, "NATS server that the nodes of a fleet share, "+
		"tls://[user:password@]host:port, or nats:// on loopback; may be given again")
	f.StringVar(&c.natsCA, "nats-tls-ca", "", "PEM file of the CAs that the NATS servers' certificates must "+
		"chain to (default: those of the system)")
	f.StringVar(&c.natsCert, "nats-tls-cert", "", "PEM file of a client certificate for the NATS servers")
	f.StringVar(&c.natsKey, "nats-tls-key", "", "PEM file of the private key of --nats-tls-cert")
	f.StringVar(&c.credentials, "nats-creds", "", "credentials file for the NATS servers: a user's JWT and its seed")
	f.StringArrayVar(&c.peerRoles, "fleet-peer-role", nil,
		"NODE=viewer, operator or admin: the largest role of calls that node forwards; * stands for all other nodes; may be "+
			"given again (default: admin)")
	f.StringVar(&c.controlAddress, "fleet-control-address", "", "where programs on other machines reach this control "+
		"plane, host:port; the nodes of a fleet tell it to programs that attach. none tells nobody (default: that of "+
		"--control, if it is on one address beyond loopback)")
}

// embedded and external report the gateway's way into a fleet. It runs alone if both are false.
func (c *fleetFlags) embedded() bool { return c.listen != "" }
func (c *fleetFlags) external() bool { return len(c.urls) > 0 }

// secure reports whether the NATS servers speak TLS. Either all of them do, or none.
func (c *fleetFlags) secure() bool {
	return c.external() && strings.HasPrefix(c.urls[0], tlsScheme+"://")
}

func (c *fleetFlags) fleet() string {
	return cmp.Or(c.name, defaultFleet)
}

// validate refuses a fleet that strangers could join, and flags without an effect.
func (c *fleetFlags) validate() error {
	cluster := c.listen + strings.Join(c.join, "") + c.cert + c.key + c.ca
	nats := strings.Join(c.urls, "") + c.natsCA + c.natsCert + c.natsKey + c.credentials
	switch {
	case cluster != "" && nats != "":
		return errors.New("--cluster-… and --nats-… are two ways to be in a fleet: give --cluster-listen for one " +
			"without NATS servers, or --nats-url for one with servers of your own")
	case cluster != "" && c.listen == "":
		return errors.New("--cluster-… does nothing without --cluster-listen: give the address for other nodes, for " +
			"example --cluster-listen 127.0.0.1:6222")
	case nats != "" && len(c.urls) == 0:
		return errors.New("--nats-… does nothing without --nats-url: give a server, for example --nats-url " +
			"nats://127.0.0.1:4222")
	case cluster+nats == "" && c.name != "":
		return fmt.Errorf("--fleet %.100q does nothing as long as no other node can be reached: give --cluster-listen or "+
			"--nats-url", c.name)
	case cluster+nats == "" && len(c.peerRoles) > 0:
		return errors.New("--fleet-peer-role does nothing in a gateway that runs alone: give --cluster-listen or --nats-url")
	case cluster+nats == "" && c.controlAddress != "":
		return errors.New("--fleet-control-address does nothing in a gateway that runs alone: give --cluster-listen or " +
			"--nats-url")
	case !event.ValidNode(c.fleet()):
		return fmt.Errorf("--fleet %.100q: expected 1 to 32 of a-z, 0-9 and -", c.name)
	}
	if _, err := c.roles(); err != nil {
		return err
	}
	if err := c.validateControlAddress(); err != nil {
		return err
	}
	if c.embedded() {
		return c.validateCluster()
	}
	return c.validateNATS()
}

// validateControlAddress checks --fleet-control-address.
func (c *fleetFlags) validateControlAddress() error {
	if c.controlAddress == "" || c.controlAddress == tellNobody {
		return nil
	}
	if err := fleet.CheckControlAddress(c.controlAddress); err != nil {
		return fmt.Errorf("--fleet-control-address %.200q: %w", c.controlAddress, err)
	}
	return nil
}

// address returns what other nodes tell programs of the control plane, or "" for nothing. By default that is where the
// control plane is bound, with the host of --control, because a certificate has that name. On loopback, on all
// addresses and on a unix socket, programs of other machines would not find it there.
func (c *fleetFlags) address(control string, bound net.Addr) string {
	switch c.controlAddress {
	case "":
	case tellNobody:
		return ""
	default:
		return c.controlAddress
	}
	tcp, ok := bound.(*net.TCPAddr)
	if !ok || ipnet.IsLoopback(bound) || tcp.IP.IsUnspecified() {
		return ""
	}
	host, _, _ := net.SplitHostPort(control)
	address := net.JoinHostPort(host, strconv.Itoa(tcp.Port))
	if fleet.CheckControlAddress(address) != nil {
		return "" // it has a zone, which only this machine knows
	}
	return address
}

// roles parses --fleet-peer-role into roles by node name.
func (c *fleetFlags) roles() (map[string]pb.Role, error) {
	roles := make(map[string]pb.Role)
	for _, text := range c.peerRoles {
		node, word, ok := strings.Cut(text, "=")
		if !ok || node != anyPeer && !event.ValidNode(node) {
			return nil, fmt.Errorf("--fleet-peer-role %.200q: expected NODE=ROLE, for example edge-1=operator or *=viewer", text)
		}
		role, err := auth.ParseRole(word)
		if err != nil {
			return nil, fmt.Errorf("--fleet-peer-role %.200q: %w", text, err)
		}
		if other, ok := roles[node]; ok {
			return nil, fmt.Errorf("--fleet-peer-role %.200q: %s has the role %s already; expected each node once", text, node,
				auth.RoleName(other))
		}
		roles[node] = role
	}
	return roles, nil
}

// validateCluster checks the addresses of an embedded server. Beyond loopback it requires the three TLS files.
func (c *fleetFlags) validateCluster() error {
	wide := ""
	for i, text := range append([]string{c.listen}, c.join...) {
		name := "cluster-join"
		if i == 0 {
			name = "cluster-listen"
		}
		host, port, err := net.SplitHostPort(text)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil || i > 0 && (host == "" || port == "0") {
			return fmt.Errorf("--%s %.200q: expected host:port, for example 10.0.0.5:6222", name, text)
		}
		if !onLoopback(host) && wide == "" {
			wide = "--" + name + " " + text
		}
	}
	files := 0
	for _, file := range []string{c.cert, c.key, c.ca} {
		if file != "" {
			files++
		}
	}
	switch {
	case files == 3, files == 0 && wide == "":
		return nil
	case files > 0:
		return errors.New("--cluster-tls-cert, --cluster-tls-key and --cluster-tls-ca belong together: give all three, or " +
			"none on loopback")
	}
	return fmt.Errorf("%.200s is not a loopback address: anyone who reaches it could be a node and cut every "+
		"connection, so it needs --cluster-tls-cert, --cluster-tls-key and --cluster-tls-ca", wide)
}

// portOrNone reports whether a URL's port is valid or left out.
func portOrNone(text string) bool {
	port, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && port > 0
}

// serverURL reports whether a URL has the form of a NATS server's: a scheme and a host, optionally a user and a port,
// no path.
func serverURL(u *url.URL) bool {
	known := u.Scheme == plainScheme || u.Scheme == tlsScheme
	return known && u.Hostname() != "" && u.Path+u.RawQuery+u.Fragment == "" && portOrNone(u.Port())
}

// onLoopback reports whether a host is this machine. The only such name is localhost: any other may lead anywhere.
func onLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ipnet.Addr(ip).IsLoopback()
}

// validateNATS checks the URLs of NATS servers. Passwords and messages leave the machine over TLS only.
func (c *fleetFlags) validateNATS() error {
	plain, users := 0, 0
	for _, text := range c.urls {
		u, err := url.Parse(text)
		if err != nil || !serverURL(u) {
			return fmt.Errorf("--nats-url %.200q: expected tls://[user:password@]host:port, or nats:// on loopback",
				natsbus.Redacted(text))
		}
		if u.Scheme == plainScheme && !onLoopback(u.Hostname()) {
			return fmt.Errorf("--nats-url %.200q is not a loopback address: anyone on the way could be a node, so it needs "+
				"tls://", natsbus.Redacted(text))
		}
		if u.Scheme == plainScheme {
			plain++
		}
		if u.User != nil {
			users++
		}
	}
	switch {
	case plain > 0 && plain < len(c.urls):
		return errors.New("--nats-url: some are nats:// and some are tls://; expected all alike, because the gateway " +
			"speaks to all servers in the same way")
	case plain > 0 && c.natsCA+c.natsCert+c.natsKey != "":
		return errors.New("--nats-tls-… does nothing with nats:// URLs: give tls:// ones")
	case (c.natsCert == "") != (c.natsKey == ""):
		return errors.New("--nats-tls-cert and --nats-tls-key belong together: give both, or neither; one file may be both")
	case users > 0 && c.credentials != "":
		return errors.New("--nats-creds and a user in --nats-url: expected one of them")
	}
	return nil
}
