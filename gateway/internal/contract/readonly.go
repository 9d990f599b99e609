package contract

import (
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// ReadOnly reports whether a method of GatewayService changes nothing, as its idempotency_level in the contract
// declares. A call of such a method may be ended at any time, or made again. The method is a full name such as
// `/sockgate.v1.GatewayService/ListNodes`. An unknown one counts as changing something. ReadOnly may be called from any
// goroutine.
func ReadOnly(method string) bool { return readOnly()[method] }

var readOnly = sync.OnceValue(func() map[string]bool {
	declared := make(map[string]bool)
	service := pb.File_sockgate_v1_gateway_service_proto.Services().ByName("GatewayService")
	for i := range service.Methods().Len() {
		m := service.Methods().Get(i)
		declared["/"+string(service.FullName())+"/"+string(m.Name())] = hasNoSideEffects(m)
	}
	return declared
})

func hasNoSideEffects(m protoreflect.MethodDescriptor) bool {
	options, ok := m.Options().(*descriptorpb.MethodOptions)
	return ok && options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}
