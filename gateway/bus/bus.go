package bus

import "time"

// Bus carries messages between the nodes of a fleet: at most once, and from one publisher to one subscriber on one subject in the order
// in which they were published. Whether it delivers what it has published itself is not said. Its methods may be called from any goroutine
// and do not wait for the network.
type Bus interface {
	// Publish hands a message over; it keeps neither slice. An error says that it was not sent: there is no connection, or more is
	// waiting to be sent than there is room for.
	Publish(subject string, data []byte) error
	// Subscribe calls deliver for each message on a subject, where `*` stands for one of its words; in order, one at a time, in a
	// goroutine of the subscription. It may be called while there is no connection, and holds when one is made again. What deliver is
	// slower than, beyond 64 MiB, is dropped. Deliver may keep the data. After unsubscribe returned, deliver is not called any more; it
	// must not be called by deliver.
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
