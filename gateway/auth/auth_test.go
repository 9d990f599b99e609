package auth_test

import (
	"strings"
	"testing"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/sockgate/sockgate/gateway/auth"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestValidateRoles checks which mappings of roles are refused.
func TestValidateRoles(t *testing.T) {
	for id, ok := range map[string]bool{"spiffe://test/a": true, "spiffe://test/a/*": true, "spiffe://test/*": true,
		"ops.test": true, "Ann Smith": true, "uid:0": true, "uid:1000": true,
		"": false, "*": false, "/*": false, "spiffe:///*": false, "ops/*": false, "*.test": false,
		"spiffe://*/a": false, "uid:": false, "uid:ann": false, "uid:-1": false, "uid:01": false,
		"uid:4294967296": false} {
		if err := (auth.Config{Roles: map[string]pb.Role{id: pb.Role_ROLE_VIEWER}}).Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", id, err)
		}
	}
	for _, role := range []pb.Role{-1, 0, 4, 5} {
		if err := (auth.Config{Roles: map[string]pb.Role{"a": role}}).Validate(); err == nil {
			t.Errorf("the role %d is accepted", role)
		}
	}
}

// TestValidateHandlers checks which identities may be those of handlers. An identity has one role.
func TestValidateHandlers(t *testing.T) {
	for _, c := range []struct{ id, handler, says string }{
		{"spiffe://test/be/*", "chat", ""}, {"be.test", "a-1", ""}, {"uid:7", "chat", ""},
		{"a", "chat", `"a" has the role viewer and the handler "chat"; expected one of them`},
		{"b", "", `"b" has the handler ""; expected 1 to 32`}, {"b", "Chat", `"Chat"; expected 1 to 32`},
		{"b", strings.Repeat("a", 33), "expected 1 to 32"}, {"uid:x", "chat", "is no user"}, {"*", "chat", "is no pattern"},
		{"", "chat", "an empty identity"}} {
		err := auth.Config{Roles: map[string]pb.Role{"a": pb.Role_ROLE_VIEWER},
			Handlers: map[string]string{c.id: c.handler}}.Validate()
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q as %.40q: %v; expected %q", c.id, c.handler, err, c.says)
		}
	}
}

// TestUserRoles checks the roles of the machine's users on a unix socket.
func TestUserRoles(t *testing.T) {
	a := &auth.Config{Roles: map[string]pb.Role{"uid:7": pb.Role_ROLE_VIEWER}}
	for uid, want := range map[int]pb.Role{0: pb.Role_ROLE_ADMIN, 7: pb.Role_ROLE_VIEWER,
		4_000_000: pb.Role_ROLE_UNSPECIFIED} {
		if got := a.UserRole(uid); got != want {
			t.Errorf("%d is %s; expected %s", uid, got, want)
		}
	}
}

// TestMethodWithoutOption checks that no caller may call a method whose contract declares no role. Health declares none
// either, and is open to every caller only as an exception.
func TestMethodWithoutOption(t *testing.T) {
	if a := auth.Required(healthpb.File_grpc_health_v1_health_proto.Services().Get(0).Methods().Get(0)); a.Everybody ||
		a.Role != pb.Role_ROLE_UNSPECIFIED {
		t.Errorf("%+v", a)
	}
}
