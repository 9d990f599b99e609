package remote

import (
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// slot is the place of one lane of a node. It has a lane at any time, as far as the gateway lets it.
type slot struct{ node *node }

// dialError is an error of opening a stream.
type dialError struct{ error }

func (e *dialError) Unwrap() error { return e.error }

// relief is a lane that another lane is to take the place of.
type relief struct {
	lane  *lane // nil: none
	until time.Time
}

// run attaches again and again, and serves, until the node is over or another run takes the place.
func (s *slot) run(b backoff, r relief) {
	for said := ""; ; {
		l, first, err := s.attach()
		if err == nil {
			said = ""
			if r.lane != nil {
				r.lane.drain(r.until)
				r.lane = nil
			}
			l.backoff, l.began = b, time.Now()
			s.node.fleet.heard(l, first.GetWelcome().GetNodes())
			l.logger.Info("attached", "window", first.GetWelcome().GetWindow())
			err = l.run(first)
			b.over(time.Since(l.began))
			if l.replaced {
				l.logger.Info("a lane that was replaced has ended", "error", err)
				return
			}
		}
		if s.over(err, &b, &said) || !b.wait(s.node.ctx) {
			return
		}
	}
}

// replace opens another lane, which then drains l within a time. A lane that has not lived long is replaced later, so
// that a gateway that replaces at once is not asked without a pause.
func (s *slot) replace(l *lane, within time.Duration) {
	if l.replaced || s.node.ctx.Err() != nil {
		return
	}
	l.replaced = true
	l.logger.Info("the gateway asks for another lane", "within", within)
	r, b, young := relief{l, time.Now().Add(within)}, l.backoff, time.Since(l.began) < lived
	s.node.lanes.Go(func() {
		if !young || b.wait(s.node.ctx) {
			s.run(b, r)
		}
	})
}

// over reports whether the slot is not to attach again after an error. It logs an error when it is another than the
// last one.
func (s *slot) over(err error, b *backoff, said *string) bool {
	f := s.node.fleet
	if s.node.ctx.Err() != nil {
		return true
	}
	if s.node.seed && f.hopeless(err) {
		f.fail(fmt.Errorf("remote: attach as %s: %w", f.config.Handler, err))
		return true
	}
	if errors.Is(err, io.EOF) { // the program has not asked for it
		b.longest()
		err = errors.New("the gateway ended the lane, because an operator drained the instance")
	}
	if text := err.Error(); text != *said {
		*said = text
		f.config.Logger.Warn("a lane is not attached, and will attach again", "handler", f.config.Handler,
			"node", s.node.name, "error", text)
	}
	return false
}

// hopeless reports whether an error of the first node will not go away: it refuses the first attach for good, or its
// connection was closed by the program.
func (f *fleet) hopeless(err error) bool {
	var dial *dialError
	code := status.Code(err)
	if errors.As(err, &dial) && code == codes.Canceled {
		return true
	}
	return !f.greeted.Load() && (code == codes.InvalidArgument || code == codes.NotFound ||
		code == codes.PermissionDenied || code == codes.Unauthenticated || code == codes.Unimplemented)
}
