// Command ctl shows and drives the live sockets of a sockgate gateway. `ctl --help` lists its commands.
package main

import (
	"os"

	"github.com/sockgate/sockgate/ctl/internal/cli"
)

func main() { os.Exit(cli.Main()) }
