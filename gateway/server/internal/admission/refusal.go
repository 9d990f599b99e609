package admission

import (
	"fmt"

	"github.com/sockgate/sockgate/gateway/event"
)

// Refusal says why a connection is not admitted. The zero value admits it. A Refusal allocates nothing but the text of
// an error, because a flood makes very many of them: Message makes words only for the ones that are reported.
type Refusal struct {
	Reason event.CloseReason // ReasonNone for the zero value
	Limit  int               // the limit that is reached, in connections; 0 for a reason without one
	Rate   float64           // the rate that is exceeded, in connections a second; 0 for a reason without one
	Text   string            // the owner of the limit, as "the address"; the fault in words; or GaveWay
}

// GaveWay is the Text of a refusal at a limit of connections that ends a pending connection in place of the newcomer.
const GaveWay = "; this one was still being admitted, and gave way to a newer one"

// Refuses reports whether r refuses the connection.
func (r *Refusal) Refuses() bool { return r.Reason != event.ReasonNone }

// Message returns one sentence about the refusal, without a full stop.
func (r *Refusal) Message() string {
	switch r.Reason {
	case event.ReasonConnectionLimit:
		return fmt.Sprintf("the limit of %d connections is reached%s", r.Limit, r.Text)
	case event.ReasonListenerLimit:
		return fmt.Sprintf("the listener's limit of %d connections is reached%s", r.Limit, r.Text)
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
