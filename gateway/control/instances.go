package control

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// ListInstances returns the remote handlers and the instances that are attached to them.
func (s *Service) ListInstances(context.Context, *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
	return nil, status.Error(codes.Unimplemented, "no remote handlers")
}

// DrainInstance makes the lanes of an instance drain.
func (s *Service) DrainInstance(context.Context, *pb.DrainInstanceRequest) (*pb.DrainInstanceResponse, error) {
	return nil, status.Error(codes.Unimplemented, "no remote handlers")
}
