// Package event has what happens on a gateway, and the log that keeps it.
//
// A [Log] numbers events densely from 1 and keeps the newest in a ring. Any number of [Subscription]s read it at their
// own pace and without its lock: the publisher never waits for them, and there is no queue for each. A subscriber that the
// ring overtakes is told so with a [Gap] event that names the missing range.
//
//	log := event.NewLog(event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}, 65536)
//	sub, err := log.Subscribe(event.Options{})
//	...
//	for {
//		events, err := sub.Next(ctx, buf[:0])
//		...
//	}
//
// The package is a leaf: it imports the standard library only.
package event
