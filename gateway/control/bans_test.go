package control_test

import (
	"encoding/base64"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/sockgate/sockgate/gateway/control"
	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// banned is a gateway that has only bans: first of networks, then of identities of the greatest length.
type banned struct{ fixed }

func (banned) ListBans(r server.ListBansRequest) (server.BanPage, error) {
	page := server.BanPage{Total: 7}
	all := []server.Ban{}
	for i := range 5 {
		all = append(all, server.Ban{Target: fmt.Sprintf("10.0.0.%d/32", i)})
	}
	all = append(all, server.Ban{Target: "10.0.0.4/32", Identity: true}, server.Ban{Target: text(1024), Identity: true})
	for i, b := range all {
		if b.Target == r.After && b.Identity == r.AfterIdentity {
			all = all[i+1:]
			break
		}
	}
	page.Bans = all[:min(len(all), r.Limit)]
	page.More = len(all) > r.Limit
	return page, nil
}

func (banned) Cursor() event.Cursor {
	return event.Cursor{Origin: event.Origin{Node: "n", Incarnation: "1"}}
}

// TestListBans checks that a walk in pages of any size returns each ban once, and ends.
func TestListBans(t *testing.T) {
	conn, _ := serve(t, banned{}, control.Config{})
	client := pb.NewGatewayServiceClient(conn)
	for size := int32(1); size <= 8; size++ {
		var targets []string
		for token, pages := "", 0; ; pages++ {
			r, err := client.ListBans(patiently(t), &pb.ListBansRequest{PageSize: size, PageToken: token})
			check(t, err)
			for _, b := range r.GetBans() {
				targets = append(targets, fmt.Sprint(b.GetTarget(), b.GetIdentity()))
			}
			if token = r.GetNextPageToken(); token == "" {
				break
			}
			if pages > 7 || r.GetTotalSize() != 7 {
				t.Fatalf("page %d of %d bans", pages, r.GetTotalSize())
			}
		}
		if len(targets) != 7 || targets[5] != "10.0.0.4/32true" {
			t.Errorf("pages of %d: %d bans: %.100q", size, len(targets), targets)
		}
	}
}

// TestBanToken checks that a page token that was altered, or that belongs to another walk, is refused.
func TestBanToken(t *testing.T) {
	conn, _ := serve(t, banned{}, control.Config{})
	client := pb.NewGatewayServiceClient(conn)
	r, err := client.ListBans(patiently(t), &pb.ListBansRequest{PageSize: 1})
	check(t, err)
	whole := r.GetNextPageToken()
	for i := range whole {
		changed := []byte(whole)
		changed[i] ^= 1
		_, err := client.ListBans(patiently(t), &pb.ListBansRequest{PageToken: string(changed)})
		expectFailure(t, err, failure{codes.InvalidArgument, "INVALID_PAGE_TOKEN", "page_token"})
		_, err = client.ListBans(patiently(t), &pb.ListBansRequest{PageToken: whole[:i] + "\n" + whole[i:]})
		expectFailure(t, err, failure{codes.InvalidArgument, "INVALID_PAGE_TOKEN", "page_token"})
	}
	for _, token := range []string{"x", whole + "A", text(5000), base64.RawURLEncoding.EncodeToString(make([]byte, 40))} {
		_, err := client.ListBans(patiently(t), &pb.ListBansRequest{PageToken: token})
		expectFailure(t, err, failure{codes.InvalidArgument, "INVALID_PAGE_TOKEN", "page_token"})
		_, err = client.ListConnections(patiently(t), &pb.ListConnectionsRequest{PageToken: whole})
		expectFailure(t, err, failure{codes.InvalidArgument, "INVALID_PAGE_TOKEN", "page_token"})
	}
}
