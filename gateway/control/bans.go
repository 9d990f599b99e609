package control

import (
	"context"

	"google.golang.org/protobuf/proto"

	"github.com/sockgate/sockgate/gateway/auth"
	"github.com/sockgate/sockgate/gateway/internal/contract"
	"github.com/sockgate/sockgate/gateway/server"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// ban converts a ban of this node.
func (s *Service) ban(b *server.Ban) *pb.Ban {
	return &pb.Ban{Node: s.gateway.Cursor().Node, Target: contract.ValidText(b.Target), Identity: b.Identity,
		Reason: contract.ValidText(b.Reason), CreatedBy: contract.ValidText(b.CreatedBy),
		CreatedAt: timestamp(b.CreatedAt), ExpiresAt: timestamp(b.ExpiresAt), Refused: b.Refused,
		NotKeptReason: present(b.NotKept)}
}

// present returns a text that is absent when it is empty.
func present(text string) *string {
	if text == "" {
		return nil
	}
	return proto.String(contract.ValidText(text))
}

// AddBan bans a network or an identity, or replaces its ban.
func (s *Service) AddBan(ctx context.Context, r *pb.AddBanRequest) (*pb.AddBanResponse, error) {
	result, err := s.gateway.AddBan(server.AddBanRequest{Target: r.GetTarget(), Identity: r.GetIdentity(),
		Duration: r.GetDuration().AsDuration(),
		Reason:   r.GetReason(), Keep: r.GetKeepConnections(), Actor: auth.Actor(ctx)})
	if err != nil {
		return nil, err
	}
	return &pb.AddBanResponse{Ban: s.ban(&result.Ban), Replaced: result.Replaced, Durable: result.Durable,
		Closed: result.Closed}, nil
}

// ListBans returns one page of bans.
func (s *Service) ListBans(_ context.Context, r *pb.ListBansRequest) (*pb.ListBansResponse, error) {
	after, err := decodeBanToken(r.GetPageToken())
	if err != nil {
		return nil, err
	}
	page, err := s.gateway.ListBans(server.ListBansRequest{After: after.target, AfterIdentity: after.identity,
		Limit: contract.PageSize(r.GetPageSize())})
	if err != nil {
		return nil, err
	}
	response := &pb.ListBansResponse{TotalSize: int64(page.Total)}
	for i := range page.Bans {
		response.Bans = append(response.Bans, s.ban(&page.Bans[i]))
	}
	if n := len(page.Bans); page.More && n > 0 {
		response.NextPageToken = banToken{target: page.Bans[n-1].Target, identity: page.Bans[n-1].Identity}.encode()
	}
	return response, nil
}

// RemoveBan ends a ban and returns it.
func (s *Service) RemoveBan(ctx context.Context, r *pb.RemoveBanRequest) (*pb.RemoveBanResponse, error) {
	removed, err := s.gateway.RemoveBan(server.RemoveBanRequest{Target: r.GetTarget(), Identity: r.GetIdentity(),
		Actor: auth.Actor(ctx)})
	if err != nil {
		return nil, err
	}
	return &pb.RemoveBanResponse{Ban: s.ban(&removed)}, nil
}

// banToken is where a walk of the bans goes on: after the ban that it names. It is stateless, opaque to callers, and
// stays valid when that ban is gone. Its body (contract.SealToken) tells whether the target is an identity, and then
// the target.
type banToken struct {
	target   string
	identity bool
}

// maxBanToken is the most bytes that an encoded token may have.
const maxBanToken = (1+1+contract.MaxIdentity+contract.ChecksumSize)*4/3 + 4

func (t banToken) encode() string {
	body := []byte{0}
	if t.identity {
		body[0] = 1
	}
	return contract.SealToken(contract.TokenOfBans, append(body, t.target...))
}

// decodeBanToken reads a token. An empty one begins a walk.
func decodeBanToken(s string) (banToken, error) {
	if s == "" {
		return banToken{}, nil
	}
	body, ok := contract.OpenToken(s, contract.TokenOfBans, maxBanToken)
	if !ok || len(body) < 2 || body[0] > 1 {
		return banToken{}, errToken
	}
	return banToken{target: string(body[1:]), identity: body[0] == 1}, nil
}
