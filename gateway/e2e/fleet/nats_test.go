//go:build linux

package fleet

import (
	"fmt"
	"net"
	"time"

	"github.com/sockgate/sockgate/gateway/e2e/internal/program"
)

// natsServer is a NATS server beside the gateways.
type natsServer struct {
	*process
	lab     *lab
	address string
}

// newNATS returns a server that does not run yet. Its address stays when it is launched again.
func (l *lab) newNATS() *natsServer { return &natsServer{lab: l, address: l.free(200)} }

func (n *natsServer) url() string { return "nats://" + n.address }

// launch runs the server, and returns when it greets.
func (n *natsServer) launch() {
	t := n.lab.t
	t.Helper()
	host, port, err := net.SplitHostPort(n.address)
	check(t, err)
	n.process = prepare(t, "nats-server", "", nil, program.Build(t, program.NATS), "--addr", host, "--port", port)
	n.start()
	await(t, "the NATS server greets", func() (bool, string) {
		conn, err := net.DialTimeout("tcp", n.address, time.Second)
		if err != nil {
			return false, err.Error()
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return false, err.Error()
		}
		greeting := make([]byte, 5)
		n, err := conn.Read(greeting)
		return string(greeting[:n]) == "INFO ", fmt.Sprintf("%q, %v", greeting[:n], err)
	})
}
