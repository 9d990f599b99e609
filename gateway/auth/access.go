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

// Access says which callers may call a method. The zero value admits no caller.
type Access struct {
	Everybody bool    // every caller, even without an identity
	Role      pb.Role // the least role; ROLE_UNSPECIFIED: no caller, unless Everybody
	Handlers  bool    // callers with ROLE_HANDLER, too
	Fields    bool    // the request has fields that need a larger role if they are set
}

// admits reports whether a caller with a role may call the method.
func (a Access) admits(has pb.Role) bool {
	return Includes(has, a.Role) || a.Handlers && has == pb.Role_ROLE_HANDLER
}

// AccessTable has the methods of a gRPC server by their full names, such as `/sockgate.v1.GatewayService/Send`. No
// caller may call a method that is not in it.
type AccessTable map[string]Access

// reflectionPackage is the beginning of the names of the reflection services. A viewer may call them, and so
// may a handler's program, which may be written with a tool that learns the contract that way.
const reflectionPackage = "grpc.reflection."

// NewAccessTable returns the access that the contract declares for the methods of a server, as its GetServiceInfo lists
// them. No caller may call a method whose contract declares no role. Every caller may ask for health.
func NewAccessTable(services map[string]grpc.ServiceInfo) AccessTable {
	t := make(AccessTable)
	for service, info := range services {
		for _, m := range info.Methods {
			t["/"+service+"/"+m.Name] = declared(service, m.Name)
		}
	}
	return t
}

// declared returns the access of a method of a service.
func declared(service, method string) Access {
	switch {
	case service == healthpb.Health_ServiceDesc.ServiceName:
		return Access{Everybody: true}
	case strings.HasPrefix(service, reflectionPackage):
		return Access{Role: pb.Role_ROLE_VIEWER, Handlers: true}
	}
	name := protoreflect.FullName(service).Append(protoreflect.Name(method))
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return Access{}
	}
	m, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return Access{}
	}
	return Required(m)
}

// Required returns the access that a method's options declare: required_role, and field_role in its request.
func Required(m protoreflect.MethodDescriptor) Access {
	role, _ := proto.GetExtension(m.Options(), pb.E_RequiredRole).(pb.Role)
	return Access{Role: role, Fields: hasFieldRoles(m.Input(), make(map[protoreflect.FullName]bool))}
}

// hasFieldRoles reports whether a field of a message, or of a message in it, needs a role of its own.
func hasFieldRoles(m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) bool {
	if seen[m.FullName()] {
		return false
	}
	seen[m.FullName()] = true
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		if fieldRole(f) != roleless || f.Message() != nil && hasFieldRoles(f.Message(), seen) {
			return true
		}
	}
	return false
}

// fieldRole returns the least role that may set a field, or roleless if the method's role is enough.
func fieldRole(f protoreflect.FieldDescriptor) pb.Role {
	role, _ := proto.GetExtension(f.Options(), pb.E_FieldRole).(pb.Role)
	return role
}

// beyond returns a field that is set in a message and needs a larger role, and that role. Without such a field it
// returns "".
func beyond(m protoreflect.Message, role pb.Role) (field string, needs pb.Role) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if r := fieldRole(f); r != roleless && !Includes(role, r) {
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
