package server_test

import (
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
)

// Streams that ask for Data get the received bytes, between the CONNECTED and the CLOSED of the connection.
func TestDataEvents(t *testing.T) {
	g := start(t, server.Config{})
	sub, err := g.Subscribe(server.SubscribeRequest{MaxData: 4,
		Match: match(func(i *server.Connection) bool { return i.Seq == 2 })})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	f := &follower{t: t, sub: sub}
	other, p := g.open(), g.open()
	mustWrite(t, other, []byte("not mine"))
	mustRead(t, other, "not mine")
	mustWrite(t, p, []byte("hello"))
	mustRead(t, p, "hello")
	p.Close()
	var types []event.Type
	f.await("CLOSED", func(e *event.Event) bool {
		types = append(types, e.Type)
		if d, ok := e.Detail.(*event.DataDetail); ok &&
			(string(d.Bytes) != "hell" || d.Total != 5 || e.Conn.BytesReceived != 5) {
			t.Errorf("DATA %q of %d, %d received", d.Bytes, d.Total, e.Conn.BytesReceived)
		}
		return e.Type == event.Closed
	})
	if len(types) != 4 || types[0] != event.Connected || types[1] != event.Data || types[2] != event.Ended {
		t.Errorf("events %v; expected CONNECTED, DATA, ENDED, CLOSED", types)
	}
}
