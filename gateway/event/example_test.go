package event_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sockgate/sockgate/gateway/event"
)

// A subscriber reads the log at its own pace, to the end.
func ExampleLog() {
	log := event.NewLog(event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}, 65536)
	sub, err := log.Subscribe(event.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sub.Close()

	log.Append(&event.Event{Type: event.Connected})
	log.Append(&event.Event{Type: event.Closed})
	log.Close()

	for buf := make([]event.Event, 0, 256); ; {
		events, err := sub.Next(context.Background(), buf[:0])
		if errors.Is(err, io.EOF) {
			fmt.Println("end at", sub.Cursor())
			return
		}
		for _, e := range events {
			fmt.Println(e.Sequence, e.Type, e.Connections)
		}
	}
	// Output:
	// 1 CONNECTED 1
	// 2 CLOSED 0
	// end at edge-1.19ab0d3f1c2@2
}

// A cursor resumes exactly behind an event. What is gone by then is told as a gap.
func ExampleLog_Subscribe() {
	log := event.NewLog(event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}, 256)
	for range 300 {
		log.Append(&event.Event{Type: event.Ended})
	}
	for _, after := range []string{"edge-1.19ab0d3f1c2@298", "edge-1.19ab0d3f1c2@40", "edge-2.19ab0d3f1c2@40"} {
		sub, err := log.Subscribe(event.Options{After: after})
		if err != nil {
			fmt.Println(err)
			continue
		}
		first := sub.Poll(nil)[0]
		if gap, ok := first.Detail.(*event.GapDetail); ok {
			fmt.Println(first.Type, gap.Reason, gap.From, gap.To)
		} else {
			fmt.Println(first.Type, first.Sequence)
		}
		sub.Close()
	}
	// Output:
	// ENDED 299
	// GAP EVICTED 41 44
	// cursor "edge-2.19ab0d3f1c2@40" is of node "edge-2"; this is node "edge-1"
}
