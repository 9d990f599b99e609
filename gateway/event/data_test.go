package event_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
)

// data writes a Data event as `bytes/total`, a gap as its reason and its count of Data, and any other event as its
// type.
func data(events []event.Event) []string {
	var s []string
	for _, e := range events {
		switch d := e.Detail.(type) {
		case *event.DataDetail:
			s = append(s, fmt.Sprintf("%s/%d", d.Bytes, d.Total))
		case *event.GapDetail:
			s = append(s, fmt.Sprintf("%s %d", d.Reason, d.DataEvents))
		default:
			s = append(s, e.Type.String())
		}
	}
	return s
}

func TestDataOnlyForThoseWhoAsk(t *testing.T) {
	l := newLog(256)
	if l.Tapped() {
		t.Fatal("tapped without a subscription")
	}
	all := subscribe(t, l, event.Options{})
	onlyOthers := subscribe(t, l, event.Options{MaxData: 9, Types: event.Types(0).With(event.Ended)})
	if l.Tapped() {
		t.Error("tapped by subscriptions that do not get Data")
	}
	short, err := l.Subscribe(event.Options{MaxData: 2})
	if err != nil {
		t.Fatal(err)
	}
	long := subscribe(t, l, event.Options{MaxData: 1 << 40, Types: event.Types(0).With(event.Data)})
	l.AppendData(event.Connection{}, []byte("hello"))
	fill(l, 1, event.Ended)
	for _, c := range []struct {
		name string
		sub  *event.Subscription
		want string
	}{
		{"all without MaxData", all, "[ENDED]"},
		{"MaxData without the type", onlyOthers, "[ENDED]"},
		{"two bytes", short, "[he/5 ENDED]"},
		{"any bytes, Data only", long, "[hello/5]"},
	} {
		if got := fmt.Sprint(data(drain(c.sub))); got != c.want {
			t.Errorf("%s: got %s; expected %s", c.name, got, c.want)
		}
	}
	short.Close()
	long.Close()
	if l.Tapped() {
		t.Error("tapped after the tapping subscriptions closed")
	}
	l.AppendData(event.Connection{}, []byte("nobody")) // as by a connection that had asked Tapped just before
	late := subscribe(t, l, event.Options{MaxData: 9, After: "0"})
	l.AppendData(event.Connection{}, []byte("late"))
	if got := fmt.Sprint(data(drain(late))); got != "[ENDED late/4]" {
		t.Errorf("got %s; expected [ENDED late/4]", got)
	}
}

// TestDataOverflow holds that Data events that a subscriber does not read evict one another, appear as a gap, and evict
// no other event.
func TestDataOverflow(t *testing.T) {
	for _, c := range []struct {
		name    string
		n, size int
		kept    int
	}{
		{"by count", 3000, 1, 1024},
		{"by bytes", 100, 64 << 10, 64},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLog(256)
			s := subscribe(t, l, event.Options{MaxData: 64 << 10})
			fill(l, 1, event.Connected)
			p := bytes.Repeat([]byte("x"), c.size)
			for range c.n {
				l.AppendData(event.Connection{}, p)
			}
			fill(l, 1, event.Closed)
			all := drain(s)
			counts := make(map[event.Type]int)
			var lost uint64
			for _, e := range all {
				counts[e.Type]++
				if g, ok := e.Detail.(*event.GapDetail); ok {
					lost += g.DataEvents
					if g.Reason != event.GapDataOverflow || g.From != 0 || g.To != 0 {
						t.Errorf("gap %+v; expected a DATA_OVERFLOW without sequences", g)
					}
				}
			}
			if counts[event.Data] != c.kept || int(lost) != c.n-c.kept ||
				counts[event.Connected] != 1 || counts[event.Closed] != 1 {
				t.Errorf("got %v and %d told lost of %d payloads; expected %d kept, CONNECTED and CLOSED",
					counts, lost, c.n, c.kept)
			}
			if all[len(all)-1].Type != event.Closed {
				t.Errorf("the last event is %s; expected CLOSED behind all the data", all[len(all)-1].Type)
			}
			if l.Missed() != 0 {
				t.Errorf("%d kept events missed", l.Missed())
			}
		})
	}
}
