package server

import (
	"time"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// moment is a time on the server's monotonic clock, which the engine shares. Timeouts are measured with it, so that setting the
// machine's clock closes nobody.
type moment = transport.Moment

// now reads the clock.
func (s *Server) now() moment { return s.clock.Now() }

// at returns the moment's time of day.
func (s *Server) at(m moment) time.Time { return s.clock.At(m) }

// since returns how long ago a moment was.
func (s *Server) since(m moment) time.Duration { return time.Duration(s.now() - m) }
