package remote_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/sockgate/sockgate/gateway/remote"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// model is a connection as the gateway keeps it: what its peer sends, and what the peer gets.
type model struct {
	messages     []string
	positions    []uint64 // behind each message
	acknowledged uint64
	delivered    uint64 // to the lane that has it
	got          strings.Builder
}

func newModel(connection, n int) *model {
	m, position := &model{}, 0
	for i := range n {
		m.messages = append(m.messages, fmt.Sprintf("<%d.%d>", connection, i))
		position += len(m.messages[i])
		m.positions = append(m.positions, uint64(position))
	}
	return m
}

// next returns deliveries that begin with the connection, all it is not done with.
func (m *model) next(number uint64) []*pb.Delivery {
	m.delivered = m.acknowledged
	all := []*pb.Delivery{opened(number, m.acknowledged)}
	for i, p := range m.positions {
		if p > m.acknowledged {
			all = append(all, data(number, p, m.messages[i]))
			m.delivered = p
		}
	}
	return all
}

// apply carries a command out, whole.
func (m *model) apply(t *testing.T, c *pb.Command) {
	if a := c.GetAcknowledged(); a != 0 && a < m.acknowledged || a > m.delivered {
		t.Fatalf("%s: acknowledged are %d, delivered %d", show(c), m.acknowledged, m.delivered)
	}
	m.acknowledged = max(m.acknowledged, c.GetAcknowledged())
	m.got.Write(c.GetData())
}

func (m *model) over() bool { return m.acknowledged == m.positions[len(m.positions)-1] }

// TestReplay holds that each reply reaches its peer exactly once, however often the lane is lost, whether the handler
// answers at once or later and in any order.
func TestReplay(t *testing.T) {
	for name, h := range map[string]remote.Handler{"at once": echo{}, "later": &late{}} {
		t.Run(name, func(t *testing.T) {
			play(t, remote.Config{}, h, func(t *testing.T, f *fake, p *program) {
				models := make(map[uint64]*model)
				for i := range 5 {
					models[uint64(i)] = newModel(i, 400)
				}
				lanes := 0
				for ; !all(models); lanes++ {
					replayLane(t, f, models, lanes)
				}
				for i, m := range models {
					if want := strings.Join(m.messages, ""); m.got.String() != want {
						t.Errorf("the peer of %d got %q, expected %q", i, m.got.String(), want)
					}
				}
				t.Logf("%d lanes", lanes)
				p.stop()
			})
		})
	}
}

func all(models map[uint64]*model) bool {
	for _, m := range models {
		if !m.over() {
			return false
		}
	}
	return true
}

// replayLane delivers everything to a lane, and ends it after a random number of commands.
func replayLane(t *testing.T, f *fake, models map[uint64]*model, lane int) {
	s := f.greet()
	var batch []*pb.Delivery
	for i, m := range models {
		batch = append(batch, m.next(uint64(lane)<<48|i)...)
	}
	cut := rand.IntN(len(batch) + 1)
	s.deliver(batch[:cut]...)
	s.deliver(batch[cut:]...)
	for left := rand.IntN(300); left > 0 && !all(models); left-- {
		c := s.command()
		if c.GetConnection()>>48 != uint64(lane) {
			t.Fatalf("%s: the number is of another lane", show(c))
		}
		models[c.GetConnection()&(1<<48-1)].apply(t, c)
	}
	s.end(status.Error(codes.Unavailable, "the link is cut"))
}

// late answers some messages later, in any order, from other goroutines.
type late struct{ remote.BaseHandler }

func (*late) Data(c *remote.Conn, p []byte) {
	if rand.IntN(3) == 0 {
		_ = c.Send(p)
		return
	}
	a, reply := c.Defer(), string(p)
	var halves sync.WaitGroup
	halves.Add(1)
	go func() {
		_ = a.Send([]byte(reply[:2]))
		halves.Done()
	}()
	go func() {
		halves.Wait()
		_ = a.Send([]byte(reply[2:]))
		a.Done()
	}()
}
