package bus

import "time"

// Bus carries messages between the nodes of a fleet. It delivers a message at most once. Messages of one publisher on
// one subject reach a subscriber in the order of their publication. A bus may or may not deliver its own messages back.
// Its methods may be called from any goroutine and do not wait for the network.
type Bus interface {
	// Publish hands a message over. It does not keep data. An error says that the message was not sent: there is no
	// connection, or the queue of outgoing messages is full.
	Publish(subject string, data []byte) error
	// Subscribe calls deliver for each message on a subject. A `*` in the subject stands for one word. The calls come in
	// order, one at a time, in a goroutine of the subscription. A subscription may begin without a connection, and it
	// outlives connections. When deliver is slow, waiting messages beyond 64 MiB are dropped. Deliver may keep the data.
	// Unsubscribe waits for a delivery under way, and no other follows. Hazard: deliver must not call unsubscribe.
	Subscribe(subject string, deliver func(subject string, data []byte)) (unsubscribe func(), err error)
	// Status returns the state of the connection.
	Status() Status
	// Changed returns a channel that is closed at the next change of Status.
	Changed() <-chan struct{}
}

// Status is the state of a bus's connection.
type Status struct {
	Mode       string    // `embedded` or `external`
	Connected  bool      // whether messages can be sent and received
	Connecting bool      // not connected, and the first try has not ended
	Problem    string    // why it is not connected, in words
	Since      time.Time // when the connection was made or lost
}
