package exchange

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"

	"github.com/sockgate/sockgate/gateway/fleet/internal/member"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	fleetv1 "github.com/sockgate/sockgate/gen/sockgate/fleet/v1"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// Answer is the result of a question on one node.
type Answer struct {
	Node    string
	Status  pb.NodeStatus // never UNSPECIFIED
	Body    []byte        // the encoded response; set if OK
	Err     error         // the gRPC status; set if ERROR or DENIED
	Message string        // the reason in words; set unless OK
	Elapsed time.Duration // from the question to the answer; 0 if the node was not asked
}

// OK reports whether the node carried out the request.
func (a *Answer) OK() bool { return a.Status == pb.NodeStatus_NODE_STATUS_OK }

// Doubtful reports whether a node without an OK may still have done some or all of its work.
func (a *Answer) Doubtful() bool {
	switch a.Status {
	case pb.NodeStatus_NODE_STATUS_TIMED_OUT, pb.NodeStatus_NODE_STATUS_LEFT:
		return true
	case pb.NodeStatus_NODE_STATUS_ERROR:
		return grpcstatus.Code(a.Err) == codes.Internal || grpcstatus.Code(a.Err) == codes.Unknown
	}
	return false
}

// NotAsked is the answer of a member that is not asked.
func NotAsked(m *member.Member) Answer {
	if m.State == pb.NodeState_NODE_STATE_LEFT {
		return Answer{Node: m.Node, Status: pb.NodeStatus_NODE_STATUS_LEFT,
			Message: "it has left the fleet; it was not asked"}
	}
	return Answer{Node: m.Node, Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE,
		Message: fmt.Sprintf("nothing has been heard of it for %s; it was not asked",
			time.Since(m.HeardAt).Round(time.Second))}
}

// unsent is the answer of a node that the question could not be sent to.
func unsent(err error) Answer {
	var large *sizeError
	if errors.As(err, &large) {
		return Answer{Status: pb.NodeStatus_NODE_STATUS_ERROR, Err: grpcstatus.Error(codes.ResourceExhausted, err.Error()),
			Message: err.Error()}
	}
	return Answer{Status: pb.NodeStatus_NODE_STATUS_UNREACHABLE, Message: "it could not be asked: " + err.Error()}
}

// Bounds of the text of one node's answer. The caller gets the answers of all nodes together, and decoding a status
// takes many times its size.
const (
	maxSaid  = 4 << 10
	maxError = 64 << 10
)

// answerOf decodes a reply. A status that no node can answer with, or that only a newer version knows, becomes an
// ERROR.
func answerOf(r *fleetv1.Reply) Answer {
	a := Answer{Status: r.GetStatus(), Message: line(r.GetMessage())}
	switch a.Status {
	case pb.NodeStatus_NODE_STATUS_OK:
		a.Body, a.Message = r.GetBody(), ""
	case pb.NodeStatus_NODE_STATUS_OVERLOADED, pb.NodeStatus_NODE_STATUS_UNSUPPORTED, pb.NodeStatus_NODE_STATUS_RESTARTED,
		pb.NodeStatus_NODE_STATUS_LEFT, pb.NodeStatus_NODE_STATUS_TIMED_OUT:
	case pb.NodeStatus_NODE_STATUS_ERROR, pb.NodeStatus_NODE_STATUS_DENIED:
		a.Err = errorOf(r, a.Message)
		a.Message = grpcstatus.Convert(a.Err).Message()
	default:
		a.Message = fmt.Sprintf("it answered with %s, which this version does not understand", a.Status)
		a.Err = grpcstatus.Error(codes.Internal, a.Message)
		a.Status = pb.NodeStatus_NODE_STATUS_ERROR
	}
	return a
}

// line returns a text of another node in a form that callers may print: one line of at most maxSaid bytes.
func line(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxSaid)], "")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

// errorOf returns the gRPC status of a reply. Its texts are lines, and its details are of the kinds that nodes give. A
// code that only the caller's own node may answer with becomes Internal.
func errorOf(r *fleetv1.Reply, message string) error {
	s := new(status.Status)
	if len(r.GetError()) > maxError {
		return grpcstatus.Errorf(codes.Unknown, "an error of %d bytes; a node says at most %d: %s", len(r.GetError()),
			maxError, message)
	}
	if err := proto.Unmarshal(r.GetError(), s); err != nil || s.GetCode() == int32(codes.OK) {
		return grpcstatus.Errorf(codes.Unknown, "an error that does not say what it is: %s", message)
	}
	code := codes.Code(s.GetCode())
	denied := code == codes.PermissionDenied || code == codes.Unauthenticated
	if s.GetCode() < 0 || code > codes.Unauthenticated || denied && r.GetStatus() != pb.NodeStatus_NODE_STATUS_DENIED {
		code = codes.Internal
	}
	return withDetails(grpcstatus.New(code, line(s.GetMessage())), grpcstatus.FromProto(s).Details())
}

// Bounds of the details of an error. Errors of the service are well below them.
const (
	maxDetails  = 4
	maxMetadata = 16
)

// withDetails returns a status with the details that errors of the service have: an ErrorInfo of their domain, a
// BadRequest, a RetryInfo.
func withDetails(s *grpcstatus.Status, details []any) error {
	var kept []protoadapt.MessageV1
	for _, d := range details[:min(len(details), maxDetails)] {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == contract.Domain {
				kept = append(kept, &errdetails.ErrorInfo{Reason: line(d.GetReason()), Domain: contract.Domain,
					Metadata: lines(d.GetMetadata())})
			}
		case *errdetails.BadRequest:
			bad := &errdetails.BadRequest{}
			for _, v := range d.GetFieldViolations()[:min(len(d.GetFieldViolations()), maxDetails)] {
				bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
					Field: line(v.GetField()), Description: line(v.GetDescription())})
			}
			kept = append(kept, bad)
		case *errdetails.RetryInfo:
			if d.GetRetryDelay().IsValid() {
				kept = append(kept, &errdetails.RetryInfo{RetryDelay: d.GetRetryDelay()})
			}
		}
	}
	if len(kept) == 0 {
		return s.Err()
	}
	with, err := s.WithDetails(kept...)
	if err != nil { // the text still arrives
		return s.Err()
	}
	return with.Err()
}

// lines returns the first texts of a map as lines, by their keys.
func lines(texts map[string]string) map[string]string {
	said := make(map[string]string, min(len(texts), maxMetadata))
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		if len(said) < maxMetadata {
			said[line(key)] = line(texts[key])
		}
	}
	return said
}
