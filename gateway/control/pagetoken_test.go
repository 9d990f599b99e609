package control

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/event"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

// FuzzPageToken checks that a token decodes to its parts, that no text makes decoding panic, and that a text that is
// not exactly an issued token is refused.
func FuzzPageToken(f *testing.F) {
	first := (&pageToken{binding: bind(&pb.ListConnectionsRequest{}), after: 42,
		cursor: event.Cursor{Origin: event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"}, Sequence: 1234567}}).encode()
	f.Add("", uint64(0), uint64(0), 0, byte(0), "")
	f.Add("state == \"OPEN\"", uint64(1)<<63, ^uint64(0), 3, byte(1), first)
	f.Add("true", uint64(127), uint64(128), 0, byte(0x80), first[:len(first)-1])
	f.Add("true", uint64(128), uint64(9), 40, byte(4), first+"A")
	f.Add("true", uint64(100), uint64(99), 80, byte(32), first[:len(first)-4])
	f.Add("true", uint64(300), uint64(1000), 12, byte(1), first[:20]+"\n"+first[20:])
	f.Add("x", uint64(5), uint64(5), 1, byte(1), "AQAAAAAAAAAAAYA")
	f.Add("x", uint64(5), uint64(5), 1, byte(1), strings.Repeat("A", 300))
	f.Fuzz(func(t *testing.T, filter string, after, sequence uint64, place int, change byte, foreign string) {
		expectCanonical(t, foreign)
		made := pageToken{binding: bind(&pb.ListConnectionsRequest{Filter: filter}), after: after,
			cursor: event.Cursor{Origin: event.Origin{Node: strings.Repeat("a", 32), Incarnation: "ffffffffffffffff"},
				Sequence: sequence}}
		s := made.encode()
		got, err := decodeToken(s)
		if err != nil || got != made {
			t.Fatalf("%+v became %q became %+v, %v", made, s, got, err)
		}
		raw, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		at := int(uint(place) % uint(len(raw)))
		changed := append([]byte(nil), raw...)
		changed[at] ^= change
		for _, other := range []string{
			base64.RawURLEncoding.EncodeToString(changed),
			base64.RawURLEncoding.EncodeToString(raw[:at]),
			base64.RawURLEncoding.EncodeToString(append(raw, change)),
			s + string(rune(change)), s[:at], s + "=", " " + s, s[:at] + "\n" + s[at:],
		} {
			if other == s {
				continue
			}
			if got, err := decodeToken(other); !errors.Is(err, errToken) {
				t.Fatalf("%q, changed to %q, was taken for %+v", s, other, got)
			}
		}
	})
}

// expectCanonical checks that a token can be written in only one way.
func expectCanonical(t *testing.T, s string) {
	t.Helper()
	if got, err := decodeToken(s); err == nil && got.encode() != s {
		t.Fatalf("%q reads as %+v, which is written %q", s, got, got.encode())
	}
}
