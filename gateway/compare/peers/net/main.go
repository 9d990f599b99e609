// Command net is an echo server on the standard library, as most Go servers are written: a goroutine for each
// connection, and crypto/tls when it is given a certificate.
package main

import (
	"crypto/tls"
	"fmt"
	"log"
	"net"
	"os"
	"time"
)

// A buffer begins small, because most connections are idle, and doubles as long as reads fill it.
const smallest, largest = 4 << 10, 64 << 10

// handshakeTimeout is how long a TLS handshake may take when no other time is given.
const handshakeTimeout = 10 * time.Second

func main() {
	if n := len(os.Args); n != 2 && n != 4 && n != 5 {
		log.Fatal("usage: net ADDRESS [CERTIFICATE-FILE KEY-FILE [HANDSHAKE-TIMEOUT]]")
	}
	prepare, err := preparation(os.Args[2:])
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", l.Addr())
	for {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(c, prepare)
	}
}

// preparation returns a function that makes a connection ready for echo(): it does nothing, or a TLS handshake.
func preparation(args []string) (func(net.Conn) (net.Conn, error), error) {
	if len(args) == 0 {
		return func(c net.Conn) (net.Conn, error) { return c, nil }, nil
	}
	certificate, err := tls.LoadX509KeyPair(args[0], args[1])
	if err != nil {
		return nil, err
	}
	timeout := handshakeTimeout
	if len(args) > 2 {
		if timeout, err = time.ParseDuration(args[2]); err != nil {
			return nil, err
		}
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	return func(c net.Conn) (net.Conn, error) { return handshake(tls.Server(c, config), timeout) }, nil
}

// handshake makes a TLS handshake within a time. Without a limit, clients that never finish would stay for ever.
func handshake(c *tls.Conn, timeout time.Duration) (net.Conn, error) {
	if err := c.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if err := c.Handshake(); err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Time{})
}

// serve serves one connection to its end.
func serve(raw net.Conn, prepare func(net.Conn) (net.Conn, error)) {
	defer raw.Close()
	if c, err := prepare(raw); err == nil {
		echo(c)
	}
}

// echo sends bytes back until the peer has finished, and finishes too.
func echo(c net.Conn) {
	defer c.Close()
	buffer := make([]byte, smallest)
	for {
		n, err := c.Read(buffer)
		if err != nil {
			return
		}
		if _, err := c.Write(buffer[:n]); err != nil {
			return
		}
		if n == len(buffer) && n < largest {
			buffer = make([]byte, 2*n)
		}
	}
}
