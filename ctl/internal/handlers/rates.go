package handlers

import (
	"math"
	"time"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// place is an instance of one handler on one node.
type place struct{ handler, instance, node string }

func placeOf(i *pb.Instance) place { return place{i.GetHandler(), i.GetInstance(), i.GetNode()} }

// rates compare the instances of an answer with those of one before.
type rates struct {
	before  map[place]*pb.Instance
	elapsed time.Duration
}

// newRates makes the rates between two answers; nil when there is none before.
func newRates(now, before *answer) *rates {
	if before == nil {
		return nil
	}
	r := &rates{before: map[place]*pb.Instance{}, elapsed: now.at.Sub(before.at)}
	for _, i := range before.GetInstances() {
		r.before[placeOf(i)] = i
	}
	return r
}

// rate is how many there were in a second; nil where it is not known.
type rate struct {
	Deliveries *float64 `json:"deliveriesPerSecond"`
	Commands   *float64 `json:"commandsPerSecond"`
}

// of are the rates of an instance; not known for one that was not there before.
func (r *rates) of(i *pb.Instance) rate {
	before := r.before[placeOf(i)]
	if before == nil || r.elapsed <= 0 {
		return rate{}
	}
	return rate{Deliveries: r.perSecond(before.GetDeliveries(), i.GetDeliveries()),
		Commands: r.perSecond(before.GetCommands(), i.GetCommands())}
}

// perSecond is not known when the counter has begun again: the instance has attached anew, or a lane of it has ended.
func (r *rates) perSecond(before, now uint64) *float64 {
	if now < before {
		return nil
	}
	n := math.Round(float64(now-before)/r.elapsed.Seconds()*1000) / 1000
	return &n
}
