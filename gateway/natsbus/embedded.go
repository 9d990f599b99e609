package natsbus

import (
	"crypto/rand"
	"fmt"
	"math"
	"net"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// routeDeadline is how long a write to another node's server may take: what waits for a node that takes nothing is bounded by this and by
	// nothing else. With pings, a node that stands still is let go of after 6 s.
	routeDeadline = 5 * time.Second
	// maxPayload is the most bytes of a message. The fleet's are a quarter of it.
	maxPayload = 1 << 20
	// maxStrangers is how many connections the address on loopback accepts. Nobody has any business there.
	maxStrangers = 64
	// partingTime is for what the kernel has taken to go out: it throws that away when a connection is closed on which something unread
	// has come in.
	partingTime = 100 * time.Millisecond
	// inProcess is the kind of connection that the only user may have.
	inProcess = "IN_PROCESS"
)

// secret returns what nobody can guess.
func secret() string { return rand.Text() + rand.Text() }

// startServer starts the embedded server and waits until it listens for those of other nodes. The password is for the only user, who can
// be in this process only.
func startServer(c *Config, password string) (*server.Server, error) {
	options, err := serverOptions(c, password)
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(options)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS server: %w", err)
	}
	log := &serverLog{log: c.Logger, fatal: make(chan error, 1)}
	s.SetLoggerV2(log, c.Logger.IsTrace(), false, false)
	s.Start()
	for s.ClusterAddr() == nil { // it listens in a goroutine, and says so nowhere else
		select {
		case err := <-log.fatal:
			s.Shutdown()
			s.WaitForShutdown()
			return nil, fmt.Errorf("embedded NATS server: %w", err)
		case <-time.After(time.Millisecond):
		}
	}
	return s, nil
}

// stopServer ends it, when what was published has gone out to the other nodes, for which it waits a little: the server's own end does not.
func stopServer(s *server.Server) {
	timeout := time.After(closeTimeout)
	for waiting := true; waiting && routesPending(s) > 0; {
		select {
		case <-timeout:
			waiting = false
		case <-time.After(time.Millisecond): // nothing says when
		}
	}
	if s.NumRoutes() > 0 {
		<-time.After(partingTime)
	}
	s.Shutdown()
	s.WaitForShutdown()
}

// routesPending returns how many bytes wait to be sent to other nodes.
func routesPending(s *server.Server) (pending int) {
	routes, err := s.Routez(nil)
	if err != nil {
		return 0
	}
	for _, r := range routes.Routes {
		pending += r.Pending
	}
	return pending
}

// advertised is what other nodes tell each other of this one's address. Without it they say the address that a connection of it came from,
// which on a machine with several is not always that on which it listens. Of one that listens on all of them nothing else is known.
func advertised(host, listen string) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return ""
	}
	return listen // port 0 stands for the one that it has got
}

// serverOptions are the options of the embedded server.
func serverOptions(c *Config, password string) (*server.Options, error) {
	e := c.Embedded
	host, port, err := splitAddress(e.Listen)
	if err != nil {
		return nil, err
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	o := &server.Options{
		ServerName: c.Node + "-" + rand.Text(), // servers with the same name refuse each other; the fleet has its own way with twins
		NoSigs:     true,                       // or it takes the process's signals, and ends it
		// Without a listener for clients the server starts no cluster. This one is for nobody: the only user has to be in this process.
		Host:             "127.0.0.1",
		Port:             server.RANDOM_PORT,
		MaxConn:          maxStrangers,
		Users:            []*server.User{{Username: c.Node, Password: password, AllowedConnectionTypes: map[string]struct{}{inProcess: {}}}},
		NoSystemAccount:  true,
		MaxPayload:       maxPayload,
		WriteDeadline:    routeDeadline,
		MaxClosedClients: maxStrangers, // which it remembers
		Cluster: server.ClusterOpts{
			Name:           c.Fleet,
			Host:           host,
			Port:           port,
			Advertise:      advertised(host, e.Listen),
			TLSConfig:      e.TLS,
			TLSTimeout:     dialTimeout.Seconds(),
			ConnectRetries: math.MaxInt, // or nodes that others told of are given up when they cannot be reached
			PoolSize:       1,           // one connection between two nodes
			NoAdvertise:    true,        // of the address for clients
			Compression:    server.CompressionOpts{Mode: server.CompressionOff},
			PingInterval:   pingEvery,
			MaxPingsOut:    maxPings,
			WriteDeadline:  routeDeadline,
			WriteTimeout:   server.WriteTimeoutPolicyClose, // or it goes on as long as anything is taken, and what waits has no bound
		},
	}
	for _, address := range e.Join {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, err
		}
		o.Routes = append(o.Routes, &url.URL{Scheme: "nats-route", Host: address})
	}
	return o, nil
}
