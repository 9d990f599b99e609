package admission

import (
	"fmt"

	"github.com/sockgate/sockgate/gateway/event"
)

// Refusal says why a connection is not admitted; the zero value: it is. Making one allocates nothing but for the text
// of an error: there may be very many, and words are made only of those that are told.
type Refusal struct {
	Reason event.CloseReason
	Limit  int     // that is reached, of the reasons that have one
	Rate   float64 // connections a second, of those that have that
	Text   string  // the holder of the limit, or the fault
}

// Refuses reports whether it is a refusal.
func (r *Refusal) Refuses() bool { return r.Reason != event.ReasonNone }

// Message says in words what happened.
func (r *Refusal) Message() string {
	switch r.Reason {
	case event.ReasonConnectionLimit:
		return fmt.Sprintf("the limit of %d connections is reached", r.Limit)
	case event.ReasonListenerLimit:
		return fmt.Sprintf("the listener's limit of %d connections is reached", r.Limit)
	case event.ReasonIPLimit:
		return fmt.Sprintf("%s has %d connections, which is the limit", r.Text, r.Limit)
	case event.ReasonAcceptRate:
		return fmt.Sprintf("more connections came than the accept rate allows: %g a second", r.Rate)
	case event.ReasonIPAcceptRate:
		return fmt.Sprintf("more connections came from the address than its accept rate allows: %g a second", r.Rate)
	case event.ReasonDenied:
		return "the address is in the deny list, or not in the allow list"
	}
	return r.Text
}
