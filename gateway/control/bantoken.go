package control

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// banToken is behind which ban a walk goes on: stateless, opaque to callers, and valid as long as there are bans, whether that one is
// still there or not. Encoded: base64url of version, whether it is an identity, target, checksum. As with pageToken, the checksum is no
// secret.
type banToken struct {
	target   string
	identity bool
}

const (
	banTokenVersion = 2 // page tokens of connections have another
	maxBanToken     = (1+1+maxIdentity+checksumSize)*4/3 + 4
)

func (t banToken) encode() string {
	b := []byte{banTokenVersion, 0}
	if t.identity {
		b[1] = 1
	}
	b = append(b, t.target...)
	return base64.RawURLEncoding.EncodeToString(append(b, checksum(b)...))
}

// decodeBanToken reads a token; an empty one begins a walk.
func decodeBanToken(s string) (banToken, error) {
	if s == "" {
		return banToken{}, nil
	}
	if len(s) > maxBanToken || strings.ContainsAny(s, "\r\n") {
		return banToken{}, errToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) < 2+1+checksumSize || b[0] != banTokenVersion || b[1] > 1 {
		return banToken{}, errToken
	}
	b, sum := b[:len(b)-checksumSize], b[len(b)-checksumSize:]
	if !bytes.Equal(sum, checksum(b)) {
		return banToken{}, errToken
	}
	return banToken{target: string(b[2:]), identity: b[1] == 1}, nil
}
