package auth

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/auth/tokenfile"
	"github.com/sockgate/sockgate/gateway/internal/digest"
	"github.com/sockgate/sockgate/gateway/internal/share"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// TestCertificateRights checks that an exact identity goes before the longest pattern, whether it is among the roles or
// the handlers.
func TestCertificateRights(t *testing.T) {
	c := &Config{Roles: map[string]pb.Role{"spiffe://d/*": pb.Role_ROLE_VIEWER, "spiffe://d/be/boss": pb.Role_ROLE_ADMIN,
		"uid:1": pb.Role_ROLE_ADMIN},
		Handlers: map[string]string{"spiffe://d/be/*": "chat", "spiffe://d/dns": "dns", "web.test": "web", "uid:2": "chat"}}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"spiffe://d/a": "viewer", "spiffe://d/be": "viewer",
		"spiffe://d/be/a": "handler:chat", "spiffe://d/be/a/b": "handler:chat", "spiffe://d/be/boss": "admin",
		"spiffe://d/be/boss/a": "handler:chat", "spiffe://d/dns": "handler:dns", "spiffe://d/dns/a": "viewer",
		"web.test": "handler:web", "a.web.test": "none", "uid:2": "none", "spiffe://d/be/*": "none"} {
		if got := c.certificateRight(id).String(); got != want {
			t.Errorf("%s is %s; expected %s", id, got, want)
		}
	}
	for uid, want := range map[int]string{1: "admin", 2: "handler:chat", 4_000_000: "none"} {
		if got := c.userRight(uid).String(); got != want {
			t.Errorf("user %d is %s; expected %s", uid, got, want)
		}
	}
}

// waitingStream is a stream of a call whose client sends nothing.
type waitingStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s waitingStream) Context() context.Context { return s.ctx }

// TestLanesEndWithTheirRight checks that an open stream of a handler ends as soon as its token is removed or gets
// another role or handler, and that the next call has the new one.
func TestLanesEndWithTheirRight(t *testing.T) {
	token := "sgt_" + strings.Repeat("a", 43)
	line := tokenfile.Entry{Name: "be", Role: "handler:a", Hash: tokenfile.Hash(token)}.String()
	for _, role := range []string{"", "handler:b", "viewer", "admin"} { // empty: the token is removed
		path := filepath.Join(t.TempDir(), "tokens")
		write := func(text string) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		write(line + "\n")
		tokens, err := OpenTokenFile(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		g := NewGuard(&Config{Tokens: tokens}, AccessTable{pb.HandlerService_Attach_FullMethodName: {
			Role: pb.Role_ROLE_HANDLER}}, 10, share.New(1<<20, 0), digest.New(hclog.NewNullLogger()))
		granted, err := g.bearer([]string{"Bearer " + token}, "192.0.2.1:5")
		if err != nil || granted.right() != (Right{pb.Role_ROLE_HANDLER, "a"}) {
			t.Fatal(granted, err)
		}
		ctx, cancel := context.WithTimeout(WithGrant(t.Context(), granted), 10*time.Second)
		err = g.Stream(nil, waitingStream{ctx: ctx}, &grpc.StreamServerInfo{
			FullMethod: pb.HandlerService_Attach_FullMethodName}, func(_ any, s grpc.ServerStream) error {
			if err := MayAttach(s.Context(), "a"); err != nil {
				return err
			}
			text := ""
			if role != "" {
				text = strings.Replace(line, "handler:a", role, 1) + "\n"
			}
			write(text)
			if err := tokens.Reload(); err != nil {
				return err
			}
			<-s.Context().Done()
			return s.SendMsg(proto.Message(&pb.AttachResponse{}))
		})
		cancel()
		if err != errTokenRevoked {
			t.Errorf("to %q: the stream ended with %v", role, err)
		}
		granted, err = g.bearer([]string{"Bearer " + token}, "192.0.2.1:5")
		if role == "" && err != errTokenRevoked || role != "" && (err != nil || granted.right().String() != role) {
			t.Errorf("to %q: then %v, %v", role, granted, err)
		}
		tokens.Close()
	}
}
