//go:build linux

package soak

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// crowd selects the clients that are not counted: a broadcast does not say what each got.
const crowd = `remote_ip != "127.0.0.1"`

// ids are the counted clients that are connected.
type ids struct {
	mu  sync.Mutex
	all map[string]struct{}
}

func (i *ids) add(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.all[id] = struct{}{}
}

func (i *ids) remove(id string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.all, id)
}

// any returns one; "" if there is none.
func (i *ids) any() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	for id := range i.all {
		return id
	}
	return ""
}

// verb makes one random call as the administrator.
func (s *soak) verb(ctx context.Context) {
	verbs := []struct {
		name string
		call func(context.Context) error
	}{
		{"ListConnections", s.list}, {"CountConnections", s.count}, {"Send", s.send}, {"Send", s.send},
		{"Broadcast", s.broadcast}, {"Kick", s.kick}, {"SetLabels", s.label}, {"AddBan", s.ban},
		{"UpdateLimits", s.limits}, {"StreamEvents", s.stream}, {"GetGateway", s.look},
	}
	v := verbs[rand.IntN(len(verbs))]
	// The end of the soak cancels no call: the reply says what became of it.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	if err := v.call(bounded); err != nil {
		s.failed(v.name, err)
	}
	s.calls.Add(1)
}

func (s *soak) list(ctx context.Context) error {
	request := &pb.ListConnectionsRequest{PageSize: int32(1 + rand.IntN(100)), State: pb.ListState(rand.IntN(4))}
	for range 5 {
		page, err := s.admin.ListConnections(ctx, request)
		if err != nil || page.GetNextPageToken() == "" {
			return err
		}
		request.PageToken = page.GetNextPageToken()
	}
	return nil
}

func (s *soak) count(ctx context.Context) error {
	_, err := s.admin.CountConnections(ctx, &pb.CountConnectionsRequest{Filter: crowd, By: "labels.room"})
	return err
}

func (s *soak) send(ctx context.Context) error {
	id, data := s.ids.any(), make([]byte, 1+rand.IntN(64<<10))
	if id == "" {
		return nil
	}
	r, err := s.admin.Send(ctx, &pb.SendRequest{Id: id, Data: data, Wait: pb.SendWait(rand.IntN(3))})
	switch r.GetOutcome() {
	case pb.Outcome_OUTCOME_WRITTEN, pb.Outcome_OUTCOME_QUEUED:
		s.ledger.accept(id, uint64(len(data)))
	case pb.Outcome_OUTCOME_CLOSED:
		s.ledger.accept(id, uint64(len(data))-r.GetUnsentBytes())
	case pb.Outcome_OUTCOME_UNSPECIFIED: // no reply came
		s.ledger.doubt(id, uint64(len(data)))
	}
	return err
}

func (s *soak) broadcast(ctx context.Context) error {
	r, err := s.admin.Broadcast(ctx, &pb.BroadcastRequest{Data: make([]byte, 1+rand.IntN(32<<10)), Filter: crowd,
		RequestId: uuid.NewString()})
	if sum := r.GetWritten() + r.GetQueued() + r.GetDropped() + r.GetClosed(); sum != r.GetMatched() {
		s.ledger.fault("Broadcast: %d matched, and the outcomes are %d", r.GetMatched(), sum)
	}
	return err
}

func (s *soak) kick(ctx context.Context) error {
	request := &pb.KickRequest{Filter: fmt.Sprintf(`%s && remote_port %% 10 == %d`, crowd, rand.IntN(10)),
		Farewell: []byte("bye"), FlushTimeout: durationpb.New(rand.N(time.Second))}
	r, err := s.admin.Kick(ctx, request)
	if sum := r.GetKicked() + r.GetClosed() + r.GetNotFound(); sum != r.GetMatched() {
		s.ledger.fault("Kick: %d matched, and the outcomes are %d", r.GetMatched(), sum)
	}
	return err
}

func (s *soak) label(ctx context.Context) error {
	_, err := s.admin.SetLabels(ctx, &pb.SetLabelsRequest{Filter: crowd,
		Set: map[string]string{"room": fmt.Sprint(rand.IntN(20))}})
	return err
}

// ban bans an address of the crowd for a moment, or one that is for documents.
func (s *soak) ban(ctx context.Context) error {
	target := fmt.Sprintf("203.0.113.%d", rand.IntN(256))
	if rand.IntN(4) == 0 {
		target = addresses[1+rand.IntN(len(addresses)-1)]
	}
	_, err := s.admin.AddBan(ctx, &pb.AddBanRequest{Target: target, Duration: durationpb.New(time.Second)})
	if err != nil {
		return err
	}
	_, err = s.admin.ListBans(ctx, &pb.ListBansRequest{})
	return err
}

// limits changes the water marks within what the counted clients can bear.
func (s *soak) limits(ctx context.Context) error {
	_, err := s.admin.UpdateLimits(ctx, &pb.UpdateLimitsRequest{
		Limits: &pb.Limits{HighWater: uint64(16<<10 + rand.IntN(64<<10)), SendQueueLimit: uint64(1<<20 + rand.IntN(1<<20)),
			AcceptRatePerIp: float64(rand.IntN(2) * (500 + rand.IntN(500)))},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"high_water", "send_queue_limit", "accept_rate_per_ip"}}})
	return err
}

// stream follows events for a moment.
func (s *soak) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := s.admin.StreamEvents(ctx, &pb.StreamEventsRequest{Snapshot: true, Filter: crowd,
		IncludeData: rand.IntN(2) == 0})
	for i := 0; err == nil && i < 3; i++ {
		_, err = stream.Recv()
	}
	return err
}

func (s *soak) look(ctx context.Context) error {
	_, err := s.admin.GetGateway(ctx, &pb.GetGatewayRequest{})
	return err
}
