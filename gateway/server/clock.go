package server

import "time"

// moment is a time on the server's monotonic clock: nanoseconds since it was made. Timeouts are measured with it, so that
// setting the machine's clock closes nobody.
type moment int64

// now reads the clock.
func (s *Server) now() moment { return moment(time.Since(s.started)) }

// at returns the moment's time of day.
func (s *Server) at(m moment) time.Time { return s.started.Add(time.Duration(m)) }

// since returns how long ago a moment was.
func (s *Server) since(m moment) time.Duration { return time.Duration(s.now() - m) }
