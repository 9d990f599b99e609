package auth_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/internal/digest"
	"github.com/sockgate/sockgate/gateway/internal/share"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const attach = pb.HandlerService_Attach_FullMethodName

// newGuard returns a guard of all services, as a control plane with remote handlers has them.
func newGuard() *auth.Guard {
	table := auth.NewAccessTable(map[string]grpc.ServiceInfo{
		pb.GatewayService_ServiceDesc.ServiceName: infoOf(&pb.GatewayService_ServiceDesc),
		pb.HandlerService_ServiceDesc.ServiceName: infoOf(&pb.HandlerService_ServiceDesc),
		healthpb.Health_ServiceDesc.ServiceName:   infoOf(&healthpb.Health_ServiceDesc),
		"grpc.reflection.v1.ServerReflection":     infoOf(&reflectionpb.ServerReflection_ServiceDesc),
	})
	return auth.NewGuard(&auth.Config{}, table, 10, share.New(1<<20, 0), digest.New(hclog.NewNullLogger()))
}

func infoOf(d *grpc.ServiceDesc) (info grpc.ServiceInfo) {
	for _, m := range d.Methods {
		info.Methods = append(info.Methods, grpc.MethodInfo{Name: m.MethodName})
	}
	for _, s := range d.Streams {
		info.Methods = append(info.Methods, grpc.MethodInfo{Name: s.StreamName})
	}
	return info
}

// as returns the context of a call of a caller with a role.
func as(ctx context.Context, right auth.Right) context.Context {
	return auth.WithGrant(ctx, auth.NewGrant(auth.Caller{Identity: "ann", Proof: "token", Role: right.Role,
		Handler: right.Handler}))
}

// TestAuthorizePairs checks, for each role and each method of every service, whether a caller with the role may call
// the method. The caller of a handler may attach, look at the contract, and do nothing else.
func TestAuthorizePairs(t *testing.T) {
	g := newGuard()
	for method, a := range g.Access {
		for _, role := range allRoles {
			_, leave, err := g.Authorize(as(t.Context(), auth.Right{Role: role, Handler: "chat"}), method)
			want := a.Everybody || slices.Contains(included[role], a.Role)
			if strings.Contains(method, "reflection") && role == handler {
				want = true
			}
			if (err == nil) != want {
				t.Errorf("%s of %s: %v", method, role, err)
			}
			if err == nil {
				leave()
			}
		}
	}
	if a := g.Access[attach]; a.Role != handler || a.Fields {
		t.Errorf("%+v", a)
	}
}

// TestFieldsOfHandlers checks that the role of a handler does not count as more than a field's role.
func TestFieldsOfHandlers(t *testing.T) {
	g := newGuard()
	for role, want := range map[pb.Role]bool{viewer: false, operator: true, admin: true, handler: false, later: false} {
		err := g.AuthorizeMessage(as(t.Context(), auth.Right{Role: role}), pb.GatewayService_StreamEvents_FullMethodName,
			&pb.StreamEventsRequest{IncludeData: true})
		if (err == nil) != want {
			t.Errorf("%s: %v", role, err)
		}
	}
}

// TestMayAttach checks, for each role, which handlers a caller may attach as. A denial names both roles, is short, and
// is counted.
func TestMayAttach(t *testing.T) {
	hostile := "\x1b]0;" + strings.Repeat("A", 1<<20)
	for right, may := range map[auth.Right][]string{
		{}:                                nil,
		{Role: viewer}:                    nil,
		{Role: operator}:                  nil,
		{Role: operator, Handler: "chat"}: nil,
		{Role: admin}:                     {"chat", "chat2", "", "Chat", hostile}, // a name that is none is refused later
		{Role: handler, Handler: "chat"}:  {"chat"},
		{Role: handler, Handler: "-"}:     {"-"},
		{Role: handler}:                   nil,
		{Role: later, Handler: "chat"}:    nil,
	} {
		for _, name := range []string{"chat", "chat2", "cha", "", "Chat", "-", "*", hostile} {
			ctx := as(t.Context(), right)
			err, want := auth.MayAttach(ctx, name), slices.Contains(may, name)
			if right.Role == admin {
				want = true
			}
			if (err == nil) != want {
				t.Errorf("%s as %.20q: %v", right, name, err)
			}
			if err != nil && (len(err.Error()) > 600 || !strings.Contains(err.Error(), right.String())) {
				t.Errorf("%s as %.20q: %.700v", right, name, err)
			}
		}
	}
}

// TestDenialOfAttach checks the error for a program that attaches under another's name, and that it is counted.
func TestDenialOfAttach(t *testing.T) {
	g := newGuard()
	ctx, leave, err := g.Authorize(as(t.Context(), auth.Right{Role: handler, Handler: "chat"}), attach)
	check(t, err)
	defer leave()
	check(t, auth.MayAttach(ctx, "chat"))
	if name, all := auth.Handler(ctx); name != "chat" || all {
		t.Errorf("%q, %t", name, all)
	}
	var denial *auth.Denial
	if err = auth.MayAttach(ctx, "dns"); !errors.As(err, &denial) || denial.Code() != codes.PermissionDenied ||
		denial.Reason != contract.ReasonRoleRequired || denial.Metadata["has"] != "HANDLER:chat" ||
		denial.Metadata["needs"] != "HANDLER:dns" || denial.Metadata["method"] != attach ||
		!strings.Contains(err.Error(), `"dns" needs the role handler:dns, and "ann" has handler:chat`) {
		t.Errorf("%+v", err)
	}
	if n := g.Denials.ByReason()[contract.ReasonRoleRequired]; n != 1 {
		t.Errorf("%d denials are counted; expected 1", n)
	}
	_, _, err = g.Authorize(as(t.Context(), auth.Right{Role: operator}), attach)
	if err == nil || !strings.Contains(err.Error(), "needs the role handler:NAME") {
		t.Error(err)
	}
	if a := auth.Actor(ctx); a.Role != "HANDLER:chat" {
		t.Errorf("%+v", a)
	}
	if err := auth.MayAttach(t.Context(), "chat"); !errors.As(err, &denial) || denial.Code() != codes.Unauthenticated {
		t.Errorf("without a grant: %v", err)
	}
}
