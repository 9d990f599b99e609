// Command gateway holds long-lived TCP connections and answers a gRPC control plane that sees and drives them.
package main

import (
	"os"

	"github.com/sockgate/sockgate/gateway/daemon"
)

func main() { os.Exit(daemon.Main()) }
