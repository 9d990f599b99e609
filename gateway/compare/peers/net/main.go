// Command net is an echo server on the standard library: a goroutine for each connection, which is how Go servers are written.
package main

import (
	"fmt"
	"log"
	"net"
	"os"
)

// A buffer begins small, because most connections are idle, and doubles as long as reads fill it.
const smallest, largest = 4 << 10, 64 << 10

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: net ADDRESS")
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
		go echo(c)
	}
}

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
