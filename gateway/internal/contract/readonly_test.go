package contract_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/internal/contract"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestReadOnly checks that the contract declares exactly the methods of a viewer, a role that may only look, as free of
// side effects.
func TestReadOnly(t *testing.T) {
	methods := pb.File_sockgate_v1_gateway_service_proto.Services().ByName("GatewayService").Methods()
	for i := range methods.Len() {
		m := methods.Get(i)
		looks := proto.GetExtension(m.Options(), pb.E_RequiredRole) == pb.Role_ROLE_VIEWER
		if got := contract.ReadOnly("/sockgate.v1.GatewayService/" + string(m.Name())); got != looks {
			t.Errorf("%s is read-only: %t; expected %t", m.Name(), got, looks)
		}
	}
	for _, unknown := range []string{"", "ListConnections", "/sockgate.v1.GatewayService/ListUnknown",
		"/other.Service/ListNodes"} {
		if contract.ReadOnly(unknown) {
			t.Errorf("%q is read-only", unknown)
		}
	}
}
