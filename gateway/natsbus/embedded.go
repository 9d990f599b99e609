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
	// routeDeadline is how long a write to another node's server may take. Nothing else bounds the bytes that wait for a
	// node that takes none. Pings end the connection to a stopped node after 6 s.
	routeDeadline = 5 * time.Second
	// maxPayload is the most bytes of a message. The fleet's messages are at most a quarter of it.
	maxPayload = 1 << 20
	// maxStrangers is how many connections the server's loopback address for clients accepts. No program has any business
	// there.
	maxStrangers = 64
	// partingTime is the time for the kernel to send the bytes that it has taken. It discards them if a connection is
	// closed that has unread bytes.
	partingTime = 100 * time.Millisecond
	// inProcess is the only kind of connection that the only user may have.
	inProcess = "IN_PROCESS"
)

// secret returns a random password of more than 256 bits.
func secret() string { return rand.Text() + rand.Text() }

// startServer starts the embedded server and waits until it listens for the servers of other nodes. The password is for
// the only user, which can connect from this process only.
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
	for s.ClusterAddr() == nil { // the server listens in a goroutine of its own, and announces it nowhere else
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

// stopServer waits until published messages have gone out to the other nodes, for at most closeTimeout, and then ends
// the server. The server's own Shutdown does not wait.
func stopServer(s *server.Server, door *entrance) {
	timeout := time.After(closeTimeout)
	for waiting := true; waiting && routesPending(s) > 0; {
		select {
		case <-timeout:
			waiting = false
		case <-time.After(time.Millisecond): // the server does not announce it
		}
	}
	if s.NumRoutes() > 0 {
		<-time.After(partingTime)
	}
	if door != nil {
		door.close()
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

// advertised returns the address of this node that the other nodes tell each other. Without it they would tell the
// address that its connection came from, and a machine with several addresses may listen on another one. A node that
// listens on all addresses has no better one to tell, so the result is empty.
func advertised(host, listen string) string {
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return ""
	}
	return listen // the server replaces port 0 by its real port
}

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
		// Servers with the same name would refuse each other, but the fleet itself deals with two nodes of one name.
		ServerName: c.Node + "-" + rand.Text(),
		NoSigs:     true, // otherwise the server would take the process's signals, and end the process
		// Without a listener for clients the server starts no cluster. No program can use this one, because the only user
		// must be in this process.
		Host:    "127.0.0.1",
		Port:    server.RANDOM_PORT,
		MaxConn: maxStrangers,
		Users: []*server.User{{Username: c.Node, Password: password,
			AllowedConnectionTypes: map[string]struct{}{inProcess: {}}}},
		NoSystemAccount:  true,
		MaxPayload:       maxPayload,
		WriteDeadline:    routeDeadline,
		MaxClosedClients: maxStrangers, // the server remembers them
		Cluster: server.ClusterOpts{
			Name:           c.Fleet,
			Host:           host,
			Port:           port,
			Advertise:      advertised(host, e.Listen),
			TLSConfig:      e.TLS,
			TLSTimeout:     dialTimeout.Seconds(),
			ConnectRetries: math.MaxInt, // otherwise the server would give up nodes that others told of and that it cannot reach
			PoolSize:       1,           // one connection between two nodes
			NoAdvertise:    true,        // hides the address for clients
			Compression:    server.CompressionOpts{Mode: server.CompressionOff},
			PingInterval:   pingEvery,
			MaxPingsOut:    maxPings,
			WriteDeadline:  routeDeadline,
			// Otherwise the server would keep a node that takes a byte now and then, and the bytes that wait for it would have
			// no bound.
			WriteTimeout: server.WriteTimeoutPolicyClose,
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
