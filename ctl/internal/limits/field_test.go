package limits

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// someLimits has a value for every limit.
func someLimits() *pb.Limits {
	return &pb.Limits{
		MaxConnections: 100, HighWater: 64 << 10, LowWater: 1000, SendQueueLimit: 1 << 20,
		WriteTimeout: durationpb.New(30 * time.Second),
		IdleTimeout:  durationpb.New(90 * time.Minute), IdleAction: "close", DrainTimeout: durationpb.New(time.Second),
		EventLogSize: 65536,
		ListenerConnections: map[string]uint64{"main": 100, "games": 50,
			"[::1]:8017": 1}, ConnectionsPerIp: 20, ConnectionsPerIpv6Network: 40, AcceptRate: 2.5,
		AcceptBurst: 5, AcceptRatePerIp: 0.1, AcceptBurstPerIp: 2, ReceiveRate: 1 << 30, ReceiveMessageRate: 50,
		HandshakeTimeout: durationpb.New(1500 * time.Millisecond),
		MaxHandshakes:    1024, FirstByteTimeout: durationpb.New(time.Hour), Allow: []string{"10.0.0.0/8",
			"2001:db8::/32"}, Deny: []string{"10.1.0.0/16"}, QueueBudget: 3 << 40,
		HoldTimeout: durationpb.New(45 * time.Second), MaxHeld: 1000, AdmitTimeout: durationpb.New(5 * time.Second),
		HandlerWindow: 128 << 10, HandlerBudget: 512 << 20,
	}
}

// The limits of these tests have a value for every field of the contract.
func TestSomeLimitsAreAll(t *testing.T) {
	for _, f := range Fields() {
		if !f.IsSet(someLimits()) {
			t.Errorf("someLimits has no %s", f.Name())
		}
	}
}

// set reads the output of get: every limit that can be changed comes back as it was.
func TestLimitsRoundTrip(t *testing.T) {
	for _, l := range []*pb.Limits{someLimits(), {}} {
		want, got := proto.CloneOf(l), &pb.Limits{}
		for _, f := range Fields() {
			if !f.settable() {
				want.ProtoReflect().Clear(f.d)
				continue
			}
			if err := f.set(got, f.Text(l)); err != nil {
				t.Errorf("%s=%s: %v", f.Name(), f.Text(l), err)
			}
			if f.Text(got) != f.Text(l) {
				t.Errorf("%s: %s came back as %s", f.Name(), f.Text(l), f.Text(got))
			}
		}
		if l.GetMaxConnections() > 0 && !proto.Equal(want, got) {
			t.Errorf("got  %v\nwant %v", got, want)
		}
	}
}

// The contract's rules mark the limits that are special.
func TestSpecialLimitsExist(t *testing.T) {
	var fixed, bytes []string
	for _, f := range Fields() {
		if !f.settable() {
			fixed = append(fixed, f.Name())
		}
		if f.inBytes() {
			bytes = append(bytes, f.Name())
		}
	}
	if want := []string{"low-water", "idle-action", "drain-timeout", "event-log-size"}; !slices.Equal(fixed, want) {
		t.Errorf("%v are fixed; expected %v", fixed, want)
	}
	if want := []string{"high-water", "low-water", "send-queue-limit", "receive-rate", "queue-budget", "handler-window",
		"handler-budget"}; !slices.Equal(bytes, want) {
		t.Errorf("%v count bytes; expected %v", bytes, want)
	}
}
