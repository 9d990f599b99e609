package fleet

import (
	"fmt"
	"maps"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// refusedStream returns the error of a stream that a node will not have, however often it is asked: because of who asks, or what for.
// It is nil for any other end.
func refusedStream(end *streamEnd) error {
	code := codes.OK
	switch end.status {
	case pb.NodeStatus_NODE_STATUS_DENIED:
		code = codes.PermissionDenied
	case pb.NodeStatus_NODE_STATUS_UNSUPPORTED:
		code = codes.Unimplemented
	case pb.NodeStatus_NODE_STATUS_ERROR:
		code = status.Code(end.err)
		if code != codes.InvalidArgument {
			return nil
		}
	default:
		return nil
	}
	if end.err == nil {
		return &problem{code: code, reason: reasonNodeRefused, metadata: map[string]string{"node": end.node},
			text: fmt.Sprintf("node %s: %s; leave it out with scope.nodes, or have it changed", end.node, end.message)}
	}
	return ofNode(end.node, code, status.Convert(end.err))
}

// ofNode returns what a node answered as a status that names it, in words and in the ErrorInfo.
func ofNode(node string, code codes.Code, answered *status.Status) error {
	var details []protoadapt.MessageV1
	for _, d := range answered.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			metadata := map[string]string{"node": node}
			maps.Copy(metadata, d.GetMetadata())
			d.Metadata = metadata
			details = append(details, d)
		case protoadapt.MessageV1:
			details = append(details, d)
		}
	}
	s, err := status.New(code, "node "+node+": "+answered.Message()).WithDetails(details...)
	if err != nil {
		return status.Error(code, "node "+node+": "+answered.Message()) // a detail could not be encoded; the sentence still arrives
	}
	return s.Err()
}
