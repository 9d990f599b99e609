package replay_test

import (
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/server/internal/replay"
)

// TestDigest holds that requests with other parts have other digests, also where the parts join to the same bytes.
func TestDigest(t *testing.T) {
	seen := make(map[[32]byte]int)
	for i, r := range []struct {
		match   string
		exclude []string
		data    string
	}{
		{"", nil, ""}, {"a", nil, ""}, {"", []string{"a"}, ""}, {"", nil, "a"}, {"", []string{""}, ""},
		{"", []string{"a", "b"}, ""}, {"", []string{"ab"}, ""}, {"", []string{"a"}, "b"},
	} {
		d := replay.Digest(r.match, r.exclude, []byte(r.data))
		if other, ok := seen[d]; ok {
			t.Errorf("requests %d and %d have one digest", other, i)
		}
		seen[d] = i
	}
}

// TestOwnerOf holds that callers without a proof count by their host.
func TestOwnerOf(t *testing.T) {
	for _, c := range []struct {
		actor event.Actor
		want  replay.Owner
	}{
		{event.Actor{}, replay.Owner{}},
		{event.Actor{Proof: "none", Identity: "127.0.0.1:7", Address: "127.0.0.1:7"}, replay.Owner{Name: "none 127.0.0.1"}},
		{event.Actor{Proof: "token", Identity: "ann", Role: "ADMIN"}, replay.Owner{Name: "token ann", Reserve: true}},
		{event.Actor{Proof: "token", Identity: "bob", Role: "VIEWER"}, replay.Owner{Name: "token bob"}},
	} {
		if got := replay.OwnerOf(&c.actor); got != c.want {
			t.Errorf("%+v counts for %+v; expected %+v", c.actor, got, c.want)
		}
	}
}
