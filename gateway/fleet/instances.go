package fleet

import (
	"context"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// ListInstances returns the remote handlers and the instances that are attached to them.
func (n *Node) ListInstances(ctx context.Context, r *pb.ListInstancesRequest) (*pb.ListInstancesResponse, error) {
	return n.local.ListInstances(ctx, r)
}

// DrainInstance makes the lanes of an instance drain.
func (n *Node) DrainInstance(ctx context.Context, r *pb.DrainInstanceRequest) (*pb.DrainInstanceResponse, error) {
	return n.local.DrainInstance(ctx, r)
}
