package transport_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"
	"testing"

	"github.com/sockgate/sockgate/gateway/server/internal/transport"
)

// rekeyer writes the records of a client of TLS_AES_128_GCM_SHA256 itself, because crypto/tls cannot ask for new keys.
type rekeyer struct {
	secret []byte
	seq    uint64
}

// expand is HKDF-Expand-Label of RFC 8446, 7.1.
func (r *rekeyer) expand(t *testing.T, label string, size int) []byte {
	t.Helper()
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(info, byte(len("tls13 "+label)))
	info = append(append(info, "tls13 "+label...), 0)
	key, err := hkdf.Expand(sha256.New, r.secret, string(info), size)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// record returns an encrypted record.
func (r *rekeyer) record(t *testing.T, kind byte, body []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(r.expand(t, "key", 16))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce := r.expand(t, "iv", 12)
	for i, b := range binary.BigEndian.AppendUint64(nil, r.seq) {
		nonce[4+i] ^= b
	}
	r.seq++
	size := len(body) + 1 + aead.Overhead()
	header := []byte{23, 3, 3, byte(size >> 8), byte(size)}
	return aead.Seal(header, nonce, append(bytes.Clone(body), kind), header)
}

// update returns a KeyUpdate that asks the peer for new keys too, and switches to the client's own new keys.
func (r *rekeyer) update(t *testing.T) []byte {
	t.Helper()
	record := r.record(t, 22, []byte{24, 0, 0, 1, 1})
	r.secret, r.seq = r.expand(t, "traffic upd", 32), 0
	return record
}

// clientSecret returns the client's secret from a key log.
func clientSecret(t *testing.T, log string) []byte {
	t.Helper()
	for line := range strings.Lines(log) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			if err != nil {
				t.Fatal(err)
			}
			return secret
		}
	}
	t.Fatal("the key log has no CLIENT_TRAFFIC_SECRET_0")
	return nil
}

// A client that asks for new keys again and again, between its data, gets them, and nothing is lost.
func TestKeyUpdate(t *testing.T) {
	eachGate(t, nil, func(t *testing.T, g *gate) {
		var log bytes.Buffer
		config := clientConfig("TLS 1.3")
		config.KeyLogWriter = &log
		r, c := g.open(t, config)
		if suite := c.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
			t.Skipf("this machine prefers %s, as it has no AES", tls.CipherSuiteName(suite))
		}
		r.note(func() { r.onData = func(p []byte) { r.send(bytes.Clone(p)) } })
		keys := &rekeyer{secret: clientSecret(t, log.String())}
		for range 100 {
			write(t, raw(c), append(keys.update(t), keys.record(t, 23, []byte("hello"))...))
			got := make([]byte, 5)
			if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
				t.Fatalf("the client read %q, %v", got, err)
			}
		}
		r.await(t, "the end of the flush", func() bool { return !r.flushing })
		await(t, "an idle connection", func() bool { return !transport.Holds(r.socket) })
	})
}
