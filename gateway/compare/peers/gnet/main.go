// Command gnet is an echo server on gnet, an event-loop library, with its multicore setting and its defaults otherwise.
package main

import (
	"fmt"
	"log"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
	"go.uber.org/zap"
)

type echo struct{ gnet.BuiltinEventEngine }

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: gnet ADDRESS")
	}
	log.Fatal(gnet.Run(&echo{}, "tcp://"+os.Args[1], gnet.WithMulticore(true), gnet.WithLogger(zap.NewNop().Sugar())))
}

// OnBoot prints the address, which gnet itself does not print.
func (*echo) OnBoot(engine gnet.Engine) gnet.Action {
	fd, err := engine.Dup()
	if err != nil {
		log.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	l, err := net.FileListener(file)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	fmt.Println("listening", l.Addr())
	return gnet.None
}

func (*echo) OnTraffic(c gnet.Conn) gnet.Action {
	p, err := c.Next(-1)
	if err == nil {
		_, err = c.Write(p)
	}
	if err != nil {
		return gnet.Close
	}
	return gnet.None
}
