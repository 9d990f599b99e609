// Command nbio is an echo server on nbio, an event-loop library, with its defaults.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/lesismal/nbio"
	"github.com/lesismal/nbio/logging"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: nbio ADDRESS")
	}
	logging.SetLevel(logging.LevelNone) // nbio would log to standard output
	engine := nbio.NewEngine(nbio.Config{Network: "tcp", Addrs: []string{os.Args[1]}})
	engine.OnData(func(c *nbio.Conn, p []byte) {
		if _, err := c.Write(p); err != nil { // Write copies the bytes that the kernel does not take
			_ = c.Close()
		}
	})
	if err := engine.Start(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening", engine.Addrs[0])
	select {}
}
