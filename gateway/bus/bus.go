package bus

import "time"

// Bus carries messages between the nodes of a fleet: at most once, and from one publisher to one subscriber on one
// subject in the order of their publication. A bus may or may not deliver its own messages back. Its methods may be
// called from any goroutine and do not wait for the network.
type Bus interface {
	// Publish hands a message over; it keeps neither slice. An error says that the message was not sent: there is no
	// connection, or the queue of messages to be sent is full.
	Publish(subject string, data []byte) error
	// Subscribe calls deliver for each message on a subject, where `*` stands for one of its words. The calls come in
	// order, one at a time, in a goroutine of the subscription. A subscription may begin without a connection, and it
	// outlives connections. Messages that wait for a slow deliver are dropped beyond 64 MiB. Deliver may keep the data.
	// Unsubscribe waits for a delivery under way, and no other follows. Hazard: deliver must not call unsubscribe.
	Subscribe(subject string, deliver func(subject string, data []byte)) (unsubscribe func(), err error)
	// Status says whether there is a connection.
	Status() Status
	// Changed returns a channel that is closed when Status is no longer what it was.
	Changed() <-chan struct{}
}

// Status says how a bus is connected.
type Status struct {
	Mode       string // `embedded` or `external`
	Connected  bool
	Connecting bool      // not connected, and the first try has not ended yet
	Problem    string    // why it is not connected, in words
	Since      time.Time // when the connection was made or lost
}
