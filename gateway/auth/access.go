package auth

import (
	"strings"

	"google.golang.org/grpc"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// access says who may call a method.
type access struct {
	Everybody bool
	Role      pb.Role // the least one; roleless: nobody may
	Fields    bool    // the request has fields that need a role of their own
}

// accessTable has the methods of a gRPC server by their full names.
type accessTable map[string]access

// reflectionPackage is of the services that describe the others.
const reflectionPackage = "grpc.reflection."

// NewAccessTable reads what the contract declares for the methods of a server. A method for which nothing is declared nobody may call.
func NewAccessTable(services map[string]grpc.ServiceInfo) accessTable {
	t := make(accessTable)
	for service, info := range services {
		for _, m := range info.Methods {
			t["/"+service+"/"+m.Name] = declared(service, m.Name)
		}
	}
	return t
}

// declared is what is declared for a method.
func declared(service, method string) access {
	switch {
	case service == healthpb.Health_ServiceDesc.ServiceName:
		return access{Everybody: true}
	case strings.HasPrefix(service, reflectionPackage):
		return access{Role: pb.Role_ROLE_VIEWER}
	}
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service).Append(protoreflect.Name(method)))
	if err != nil {
		return access{}
	}
	m, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return access{}
	}
	return Required(m)
}

// Required is what a method's own options declare.
func Required(m protoreflect.MethodDescriptor) access {
	role, _ := proto.GetExtension(m.Options(), pb.E_RequiredRole).(pb.Role)
	return access{Role: role, Fields: hasFieldRoles(m.Input(), make(map[protoreflect.FullName]bool))}
}

// hasFieldRoles reports whether a field of a message, or of a message in it, needs a role of its own.
func hasFieldRoles(m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[m.FullName()] {
		return false
	}
	seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if fieldRole(f) > roleless || f.Message() != nil && hasFieldRoles(f.Message(), seen) {
			return true
		}
	}
	return false
}

// fieldRole returns the least role that may set a field; roleless when the method's is enough.
func fieldRole(f protoreflect.FieldDescriptor) pb.Role {
	role, _ := proto.GetExtension(f.Options(), pb.E_FieldRole).(pb.Role)
	return role
}

// beyond returns a field that is set in a message and needs more than a role, and what it needs; "" when there is none.
func beyond(m protoreflect.Message, role pb.Role) (field string, needs pb.Role) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if r := fieldRole(f); r > role {
			field, needs = string(f.Name()), r
			return false
		}
		eachMessage(f, v, func(inner protoreflect.Message) bool {
			field, needs = beyond(inner, role)
			return field == ""
		})
		return field == ""
	})
	return field, needs
}

// eachMessage calls visit for each message that a field has, until it returns false.
func eachMessage(f protoreflect.FieldDescriptor, v protoreflect.Value, visit func(protoreflect.Message) bool) {
	switch {
	case f.IsMap():
		if f.MapValue().Message() != nil {
			v.Map().Range(func(_ protoreflect.MapKey, value protoreflect.Value) bool { return visit(value.Message()) })
		}
	case f.Message() == nil:
	case f.IsList():
		for i := range v.List().Len() {
			if !visit(v.List().Get(i).Message()) {
				return
			}
		}
	default:
		visit(v.Message())
	}
}
