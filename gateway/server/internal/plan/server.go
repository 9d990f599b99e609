package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

const maxEventLogSize = 1 << 24

// Server is the configuration of a server, with every default filled in.
type Server struct {
	Node         string
	CloseTimeout time.Duration
	DrainTimeout time.Duration
	IdleAction   IdleAction
	EventLogSize int
	Engine       string
	Listeners    []Listener
}

// Check checks the configuration. The error names the field, and says what was expected.
func (s *Server) Check() error {
	for _, check := range []struct {
		ok   bool
		text string
	}{
		{event.ValidNode(s.Node), fmt.Sprintf("node name %.100q: expected 1 to 32 of a-z, 0-9 and -", s.Node)},
		{s.CloseTimeout > 0, fmt.Sprintf("close timeout %s: expected more than 0", s.CloseTimeout)},
		{s.DrainTimeout > 0, fmt.Sprintf("drain timeout %s: expected more than 0", s.DrainTimeout)},
		{s.IdleAction == IdleClose || s.IdleAction == IdleNotify,
			fmt.Sprintf("idle action %d: expected IdleClose or IdleNotify", s.IdleAction)},
		{s.EventLogSize > 0 && s.EventLogSize <= maxEventLogSize,
			fmt.Sprintf("event log size %d: expected 1 to %d", s.EventLogSize, maxEventLogSize)},
		{slices.Contains(transport.Names, s.Engine), fmt.Sprintf("engine %q: expected one of %s", s.Engine,
			strings.Join(transport.Names, ", "))},
		{len(s.Listeners) > 0, "no listener: expected at least one address to accept connections on"},
	} {
		if !check.ok {
			return fmt.Errorf("%s", check.text)
		}
	}
	return checkListeners(s.Listeners)
}
