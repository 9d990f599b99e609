package event_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
)

// A subscriber asks for one type of event and follows until the log is closed.
func Example() {
	log := event.NewLog(event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}, 65536)
	sub, err := log.Subscribe(event.Options{Types: event.Types(0).With(event.Closed)})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sub.Close()

	go func() {
		conn := event.Connection{CloseReason: event.ReasonKicked, CloseText: "maintenance"}
		log.Append(&event.Event{Type: event.Connected})
		log.Append(&event.Event{Type: event.Closed, Conn: conn, Detail: &event.ClosedDetail{Lifetime: time.Second}})
		log.Close()
	}()

	for {
		events, err := sub.Next(context.Background(), nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, e := range events {
			fmt.Println(e.Sequence, e.Type, e.Conn.CloseReason, e.Detail.(*event.ClosedDetail).Lifetime)
		}
	}
	// Output:
	// 2 CLOSED KICKED 1s
	// EOF
}

// A subscriber that uses one buffer for every batch allocates nothing for a batch.
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

// A cursor resumes right after an event. Events that the log has evicted meanwhile appear as a gap.
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

// A client of a fleet keeps one position for each node and resumes from their text.
func ExampleVector() {
	at, err := event.ParseVector("edge-2.19ab0d3f1c2@7,edge-1.19ab0d3f0aa@40")
	if err != nil {
		fmt.Println(err)
		return
	}
	at = at.Set(event.Cursor{Origin: event.Origin{Node: "edge-1", Incarnation: "19ab0d3f0aa"}, Sequence: 41})
	fmt.Println(at)
	// Output: edge-1.19ab0d3f0aa@41,edge-2.19ab0d3f1c2@7
}
