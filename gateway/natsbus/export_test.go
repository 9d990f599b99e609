package natsbus

import "github.com/nats-io/nats-server/v2/server"

// StartServer starts an embedded server with a password that a test knows.
func StartServer(c Config, password string) (*server.Server, error) { return startServer(&c, password) }

// Delay exports delay.
var Delay = delay

// MaxUnproven exports maxUnproven.
const MaxUnproven = maxUnproven
