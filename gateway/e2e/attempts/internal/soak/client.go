//go:build linux

package soak

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// patience is how long a client waits for its end.
const patience = 20 * time.Second

// addresses are those that clients come from. The first is never banned, and the counted clients have it.
var addresses = []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}

func (s *soak) dial(ctx context.Context, from string) (*net.TCPConn, error) {
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(ctx, "tcp", s.gateway.Echo)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// counted is a client whose bytes are counted: it sends and reads for a while, finishes, and reads to the end.
func (s *soak) counted(ctx context.Context) {
	conn, err := s.dial(ctx, addresses[0])
	if err != nil {
		return
	}
	defer conn.Close()
	id := s.identify(ctx, conn)
	if id == "" {
		return
	}
	s.ledger.open(id)
	s.ids.add(id)
	defer s.ids.remove(id)
	var received uint64
	var ended error
	var reading sync.WaitGroup
	reading.Go(func() {
		var n int64
		n, ended = io.Copy(io.Discard, conn)
		received = uint64(n)
	})
	sent := chat(ctx, conn)
	finished := conn.CloseWrite()
	_ = conn.SetReadDeadline(time.Now().Add(patience))
	reading.Wait()
	s.ledger.end(id, sent, received, finished == nil && ended == nil)
	if isTimeout(ended) {
		s.ledger.fault("%s: finished, and not closed after %s", id, patience)
	}
}

// chat sends messages of random sizes for a few seconds, and returns how many bytes.
func chat(ctx context.Context, conn net.Conn) (sent uint64) {
	b := make([]byte, 32<<10)
	for range rand.IntN(40) {
		n, err := conn.Write(b[:1+rand.IntN(len(b)-1)])
		sent += uint64(n)
		if err != nil {
			return sent
		}
		sleep(ctx, rand.N(200*time.Millisecond))
	}
	return sent
}

// identify finds a connection's ID by its port; "" if it is gone.
func (s *soak) identify(ctx context.Context, conn net.Conn) string {
	_, port, _ := net.SplitHostPort(conn.LocalAddr().String())
	for range 50 {
		page, err := s.admin.ListConnections(ctx, &pb.ListConnectionsRequest{
			Filter: `remote_ip == "` + addresses[0] + `" && remote_port == ` + port})
		if len(page.GetConnections()) > 0 {
			return page.GetConnections()[0].GetId()
		}
		if err != nil && ctx.Err() == nil {
			s.failed("ListConnections", err)
		}
		sleep(ctx, 10*time.Millisecond)
	}
	return ""
}

// churn is a client that comes and goes in a random way.
func (s *soak) churn(ctx context.Context) {
	conn, err := s.dial(ctx, addresses[rand.IntN(len(addresses))])
	if err != nil {
		return
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	switch rand.IntN(5) {
	case 0: // a reset, with bytes under way
		_, _ = conn.Write(make([]byte, 10<<10))
		_ = conn.SetLinger(0)
	case 1: // a half-close, and a reset before the echo is read
		_, _ = conn.Write(make([]byte, 100<<10))
		_ = conn.CloseWrite()
		_ = conn.SetLinger(0)
	case 2: // sends and never reads
		_ = conn.SetDeadline(time.Now().Add(rand.N(3 * time.Second)))
		_, _ = io.Copy(conn, zeros{})
	case 3: // reads slowly
		_ = conn.SetReadBuffer(1)
		_, _ = conn.Write(make([]byte, 50<<10))
		for b := make([]byte, 100); rand.IntN(20) > 0; sleep(ctx, 20*time.Millisecond) {
			_, _ = conn.Read(b)
		}
	default: // stays for a while
		_, _ = conn.Write([]byte("hello"))
		sleep(ctx, rand.N(2*time.Second))
	}
}

// zeros reads as zeros without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}
