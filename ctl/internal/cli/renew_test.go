package cli

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/sockgate/sockgate/ctl/internal/app"
	"github.com/sockgate/sockgate/ctl/internal/ctltest"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// agingGateway ends every connection soon for its age. Each of its streams has two events more than the one before, and
// then nothing.
func agingGateway(t *testing.T) (g *fakeGateway, option grpc.ServerOption, begun func() []string) {
	var mu sync.Mutex
	var afters []string
	g = &fakeGateway{list: pages()}
	g.stream = func(req *pb.StreamEventsRequest, s eventStream) error {
		mu.Lock()
		afters = append(afters, req.GetAfter())
		upTo := 2 * len(afters)
		mu.Unlock()
		from, _ := strconv.Atoi(strings.TrimPrefix(req.GetAfter(), "c.0@"))
		resp := &pb.StreamEventsResponse{Cursor: fmt.Sprintf("c.0@%d", upTo)}
		for n := from + 1; n <= upTo; n++ {
			resp.Events = append(resp.Events, logEvent(pb.EventType_EVENT_TYPE_CONNECTED, n))
		}
		if err := s.Send(resp); err != nil {
			return err
		}
		<-s.Context().Done()
		return s.Context().Err()
	}
	option = grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: 50 * time.Millisecond,
		MaxConnectionAgeGrace: 10 * time.Millisecond})
	return g, option, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return afters
	}
}

// A gateway that ends connections for their age ends no stream: it goes on by itself, loses and repeats nothing,
// and says nothing.
func TestStreamOutlivesItsConnection(t *testing.T) {
	for words, stderr := range map[string]string{
		"events -o name --limit 6":               "",
		"events -o name --limit 6 --reconnect":   "",
		"events -o name --limit 6 --after c.0@0": "",
		"list --watch -o name --limit 6":         "",
		"events -o name --limit 6 --data": "ctl: the gateway renewed the connection; resuming behind cursor c.0@2 (DATA " +
			"sent meanwhile is not kept)\n",
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			g, option, begun := agingGateway(t)
			run := &invocation{ctx: t.Context(), gateway: g.serve(t, option), stdout: ctltest.NewOutput(),
				stderr: ctltest.NewOutput()}
			if code := run.run(strings.Fields(words)...); code != app.ExitDone || run.stdout.String() != numbered(1, 6) {
				t.Errorf("exit code %d, stdout:\n%s\nstderr:\n%s", code, run.stdout, run.stderr)
			}
			if text := run.stderr.String(); !strings.HasPrefix(text, stderr) || stderr == "" && text != "" {
				t.Errorf("stderr %q", text)
			}
			if got, want := fmt.Sprint(begun()), "[c.0@0 c.0@2 c.0@4]"; got != want {
				t.Errorf("streams began behind %s, want %s", got, want)
			}
		})
	}
}

// A stream that breaks for another reason is a failure all the same.
func TestStreamThatBreaksIsNotRenewed(t *testing.T) {
	if app.Renewed(errBroken) || app.Renewed(nil) {
		t.Error("a broken stream counts as renewed")
	}
}
