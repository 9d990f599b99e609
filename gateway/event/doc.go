// Package event defines the events of a gateway and keeps the newest of them in a log.
//
// A [Log] numbers events densely from 1 and keeps them in a ring of fixed size. Each [Subscription] reads the ring at
// its own position, so the publisher never waits for a subscriber and no subscriber has a queue. A subscriber that the
// ring overtakes gets a [Gap] event with the missing range: no event is skipped silently.
//
//	log := event.NewLog(event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}, 65536)
//	sub, err := log.Subscribe(event.Options{})
//	...
//	defer sub.Close()
//	for buf := make([]event.Event, 0, 256); ; {
//		events, err := sub.Next(ctx, buf[:0])
//		...
//	}
//
// Received bytes are [Data] events. The log keeps them only while a subscription asks for them. They have a ring of
// their own (1,024 events or 4 MiB), so that payloads cannot push other events out.
//
// A [Cursor] is a position in the log of one node. A [Vector] has one cursor for each node of a fleet. Both have a text
// that a client can keep and resume from.
//
// Any number of goroutines may use a Log, and one at a time a Subscription. Subscribers share the [Identity], the
// labels and the [Detail] of an event, which must not be modified.
//
// The package is a leaf: it imports the standard library only.
package event
