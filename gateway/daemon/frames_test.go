package daemon_test

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestListenersFrames checks that a listener with frames cuts what it receives, has the handler of its own, and closes
// a connection whose frame is longer than max-frame. The log and GetGateway tell its framing.
func TestListenersFrames(t *testing.T) {
	t.Parallel()
	g := start(t, nil, "--handler", "sink", "--listen", "dev=127.0.0.1:0 handler=echo frame=delimiter:0d0a max-frame=8")
	dev := g.info().GetListeners()[1]
	if got := fmt.Sprint(dev.GetHandler(), dev.GetFraming(), dev.GetMaxFrameBytes()); got != "echodelimiter:0d0a8" {
		t.Errorf("%s", got)
	}
	if plain := g.info().GetListeners()[0]; plain.GetHandler() != "sink" || plain.GetFraming() != "raw" ||
		plain.GetMaxFrameBytes() != 0 {
		t.Errorf("%v", plain)
	}
	if log := strings.Join(g.lines, ""); strings.Count(log, `"frame":`) != 1 ||
		!strings.Contains(log, `"frame":"delimiter:0d0a"`) || !strings.Contains(log, `"max-frame":8`) {
		t.Error(log)
	}
	stream := g.follow(&pb.StreamEventsRequest{IncludeData: true})
	conn, err := net.Dial("tcp", g.addresses[1])
	check(t, err)
	defer conn.Close()
	check(t, conn.SetDeadline(time.Now().Add(patience)))
	for _, part := range []string{"a", "b\r", "\nc\r\nd"} {
		_, err := conn.Write([]byte(part))
		check(t, err)
	}
	expectRead(t, conn, "ab\r\nc\r\n")
	_, err = conn.Write([]byte("2345678"))
	check(t, err)
	var frames []string
	closed := until(t, stream, func(e *pb.Event) bool {
		if e.GetType() == pb.EventType_EVENT_TYPE_DATA {
			frames = append(frames, string(e.GetData().GetData()))
		}
		return e.GetType() == pb.EventType_EVENT_TYPE_CLOSED
	}).GetConnection()
	if !slices.Equal(frames, []string{"ab\r\n", "c\r\n"}) {
		t.Errorf("frames %q", frames)
	}
	if closed.GetCloseReason() != pb.CloseReason_CLOSE_REASON_FRAME || !strings.Contains(closed.GetCloseText(), "byte 7") {
		t.Errorf("%s, %q", closed.GetCloseReason(), closed.GetCloseText())
	}
}
