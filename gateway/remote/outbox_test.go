package remote_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/sockgate/sockgate/gateway/remote"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// deaf is a gateway that takes hello and a number of other requests.
type deaf struct {
	*wire
	takes   int
	streams atomic.Int64
}

func (d *deaf) NewStream(ctx context.Context, _ *grpc.StreamDesc, _ string, _ ...grpc.CallOption) (grpc.ClientStream,
	error) {
	d.streams.Add(1)
	return &deafStream{wireStream{wire: d.wire, ctx: ctx}, d}, nil
}

type deafStream struct {
	wireStream
	deaf *deaf
}

func (s *deafStream) SendMsg(m any) error {
	if s.deaf.takes--; s.deaf.takes < 0 && len(m.(*pb.AttachRequest).GetCommands()) > 0 {
		<-s.ctx.Done()
		return s.ctx.Err()
	}
	return s.wireStream.SendMsg(m)
}

// TestProducersWait holds that commands for a gateway that reads nothing hold 1 MiB and no more, that calls of the
// handler wait too, and that the end of the lane frees them all.
func TestProducersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newScript(nil)
		w := &deaf{wire: newWire(0, 1), takes: 2}
		w.total = -1 // it never ends by itself
		result := make(chan error, 1)
		go func() {
			result <- remote.Serve(w.ctx, w, remote.Config{Handler: "chat", DrainTimeout: -1}, h)
		}()
		synctest.Wait()
		const size = 10 << 10
		var sent atomic.Int64
		var producers sync.WaitGroup
		for range 20 {
			c := <-h.conns
			producers.Go(func() {
				err := error(nil)
				for ; err == nil; sent.Add(size) {
					err = c.Send(make([]byte, size))
				}
				if sent.Add(-size); !errors.Is(err, remote.ErrClosed) {
					t.Errorf("a send of a lost lane: %v", err)
				}
			})
		}
		synctest.Wait()
		if n := sent.Load(); n < 1<<20-size || n > 1<<20+size {
			t.Errorf("%d bytes wait", n)
		}
		w.cancel()
		if err := <-result; err != nil {
			t.Error(err)
		}
		producers.Wait()
	})
}

// TestDeafGateway holds that a lane ends when its reader waits for room, because the gateway takes nothing.
func TestDeafGateway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &deaf{wire: newWire(1<<30, 100), takes: 1}
		began, result := time.Now(), make(chan error, 1)
		go func() {
			result <- remote.Serve(w.ctx, w, remote.Config{Handler: "chat", DrainTimeout: -1}, echo{})
		}()
		for w.streams.Load() < 2 {
			time.Sleep(time.Second)
		}
		if d := time.Since(began); d < 15*time.Second || d > 18*time.Second {
			t.Errorf("attached again after %s", d)
		}
		w.cancel()
		if err := <-result; err != nil {
			t.Error(err)
		}
	})
}
