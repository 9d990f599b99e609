package control

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/internal/audit"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/lane"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// defaultDrain is the default of DrainInstanceRequest.timeout.
const defaultDrain = 30 * time.Second

// ListInstances returns the remote handlers and the instances that are attached to them.
func (s *Service) ListInstances(_ context.Context, r *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
	node := s.gateway.Cursor().Node
	handlers, instances := s.handlers.List(r.GetHandler())
	response := &pb.ListInstancesResponse{}
	for i := range handlers {
		response.Handlers = append(response.Handlers, handlerStatus(node, &handlers[i]))
	}
	for i := range instances {
		response.Instances = append(response.Instances, instance(node, &instances[i]))
	}
	return response, nil
}

func handlerStatus(node string, s *lane.Status) *pb.HandlerStatus {
	return &pb.HandlerStatus{Handler: s.Name, Node: node, Lanes: uint32(s.Lanes), Connections: uint64(s.Connections),
		Held: uint64(s.Held), Failed: s.Failed, IgnoredCommands: s.Ignored, UnacknowledgedBytes: s.Unacknowledged}
}

func instance(node string, i *lane.Instance) *pb.Instance {
	p := &pb.Instance{Handler: i.Handler, Instance: i.Name, Node: node, Lanes: uint32(i.Lanes),
		Connections: uint64(i.Connections), UnacknowledgedBytes: i.Unacknowledged, Deliveries: i.Deliveries,
		Commands: i.Commands, BytesDelivered: i.Delivered, BytesCommanded: i.Commanded, Draining: i.Draining,
		AttachedAt: timestamppb.New(i.AttachedAt), Actor: i.Actor.Identity, Silent: durationpb.New(i.Silent)}
	if i.Unacknowledged > 0 {
		p.UnacknowledgedAge = durationpb.New(i.Age)
	}
	return p
}

// DrainInstance makes the lanes of an instance drain.
func (s *Service) DrainInstance(ctx context.Context, r *pb.DrainInstanceRequest) (*pb.DrainInstanceResponse, error) {
	within := defaultDrain
	if r.GetTimeout() != nil {
		within = r.GetTimeout().AsDuration()
	}
	lanes, others, connections := s.handlers.DrainInstance(r.GetHandler(), r.GetInstance(), within)
	if lanes == 0 {
		return nil, &unknownInstanceError{handler: r.GetHandler(), instance: r.GetInstance()}
	}
	reason := "instance " + r.GetInstance() + " of " + r.GetHandler()
	if r.GetReason() != "" {
		reason += ": " + r.GetReason()
	}
	audit.Publish(s.gateway.Log(), s.gateway.Gateway().Config.Logger, &event.ControlDetail{Verb: "DrainInstance",
		Actor: auth.Actor(ctx), Reason: reason, Matched: uint64(connections)})
	return &pb.DrainInstanceResponse{Lanes: uint32(lanes), Connections: uint64(connections),
		OtherLanes: uint32(others)}, nil
}

// unknownInstanceError says that no instance of a name is attached.
type unknownInstanceError struct{ handler, instance string }

// Error names the instance.
func (e *unknownInstanceError) Error() string {
	return fmt.Sprintf("no instance %.100q is attached to the remote handler %.100q", e.instance, e.handler)
}

// Problem returns the parts of the status.
func (e *unknownInstanceError) Problem() (code codes.Code, reason, field string, metadata map[string]string) {
	return codes.NotFound, contract.ReasonUnknownInstance, "", map[string]string{"handler": contract.Short(e.handler),
		"instance": contract.Short(e.instance)}
}

// Problem returns the parts of the status.
func (e *laneBudgetError) Problem() (code codes.Code, reason, field string, metadata map[string]string) {
	return codes.ResourceExhausted, contract.ReasonOverBudget, "", nil
}

func validateDrainInstance(r *pb.DrainInstanceRequest) error {
	return contract.First(
		size("handler", len(r.GetHandler()), 1, lane.MaxHandler),
		size("instance", len(r.GetInstance()), 1, lane.MaxInstance),
		period("timeout", r.GetTimeout(), lane.MaxDrain),
		reasonText(r.GetReason()),
	)
}
