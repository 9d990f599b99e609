package control

import (
	"context"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// ListNodes returns this node: one that is in a fleet has its fleet answer.
func (s *Service) ListNodes(ctx context.Context, _ *pb.ListNodesRequest) (*pb.ListNodesResponse, error) {
	info, err := s.gateway.Gateway(ctx)
	if err != nil {
		return nil, err
	}
	node := &pb.Node{Name: info.Node, Incarnation: info.Incarnation, State: pb.NodeState_NODE_STATE_LIVE, Version: info.Version,
		Connections: uint64(info.Totals.Connections), EventHead: info.Cursor.Sequence, Self: true, Uptime: durationpb.New(info.Uptime),
		Allowed: pb.Role_ROLE_ADMIN}
	if info.Draining {
		node.State = pb.NodeState_NODE_STATE_DRAINING
	}
	return &pb.ListNodesResponse{Nodes: []*pb.Node{node}}, nil
}

// ForgetNode knows no other node.
func (s *Service) ForgetNode(_ context.Context, r *pb.ForgetNodeRequest) (*pb.ForgetNodeResponse, error) {
	return nil, &unknownNodeError{field: "node", node: r.GetNode(), self: s.gateway.Cursor().Node}
}
