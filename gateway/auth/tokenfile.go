package auth

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/sockgate/sockgate/gateway/auth/tokenfile"
	pb "github.com/sockgate/sockgate/gen/sockgate/v1"
)

const (
	// tokenPoll is the time between two looks at a token file.
	tokenPoll = time.Second
	// tokenSettled is how old a file must be so that its modification time tells it from a newer one of the same size.
	tokenSettled = 2 * time.Second
	// maxRevoked is how many hashes of revoked tokens are remembered, to tell a revoked token from one that never was.
	maxRevoked = 10_000
)

// TokenFile is the tokens of a file, which it follows: within two seconds an added token can be used, a removed or
// changed one is refused, and the streams of such a one end. A file that cannot be read or is malformed changes nothing
// and is logged. Its methods may be called from any goroutine.
type TokenFile struct {
	path   string
	logger hclog.Logger
	tokens atomic.Pointer[tokenSet]
	stop   context.CancelFunc
	polled sync.WaitGroup

	mu        sync.Mutex  // for reading the file; held while streams of revoked tokens are told
	read      os.FileInfo // of the file as it was last read
	readAt    time.Time
	complaint string // the last error that was logged, so that each is logged once
}

// tokenSet is the tokens of a file as it was read; never modified.
type tokenSet struct {
	live    map[[sha256.Size]byte]*liveToken
	revoked map[[sha256.Size]byte]struct{} // hashes that were live once
}

// liveToken is a token that can be used; its context ends when it no longer can.
type liveToken struct {
	tokenfile.Entry
	role   pb.Role
	valid  context.Context
	revoke context.CancelFunc
}

// OpenTokenFile reads a token file, and follows it until Close. A nil logger logs nothing. The error says what is wrong
// with the file: it cannot be read, is no regular file, is malformed (a *tokenfile.Error), or others than its owner may
// write it.
func OpenTokenFile(path string, logger hclog.Logger) (*TokenFile, error) {
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	f := &TokenFile{path: path, logger: logger}
	f.tokens.Store(&tokenSet{})
	if err := f.Reload(); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	f.stop = stop
	f.polled.Go(func() { f.poll(ctx) })
	return f, nil
}

// Close stops following the file, once. The tokens stay as they are.
func (f *TokenFile) Close() {
	f.stop()
	f.polled.Wait()
}

// poll reads the file again whenever it has changed.
func (f *TokenFile) poll(ctx context.Context) {
	tick := time.NewTicker(tokenPoll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if f.changed() {
				f.complain(f.Reload())
			}
		}
	}
}

// changed reports whether the file may be another than the one that was read. One that cannot be looked at counts as
// changed: reading it says why.
func (f *TokenFile) changed() bool {
	now, err := os.Stat(f.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	return err != nil || !os.SameFile(now, f.read) || now.Size() != f.read.Size() ||
		!now.ModTime().Equal(f.read.ModTime()) || now.Mode() != f.read.Mode() || f.readAt.Sub(now.ModTime()) < tokenSettled
}

// complain logs an error once, however often the file is looked at with it.
func (f *TokenFile) complain(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		f.complaint = ""
		return
	}
	if f.complaint != err.Error() {
		f.complaint = err.Error()
		f.logger.Error("the token file was not reloaded; the tokens of before stay", "error", err)
	}
}

// Reload reads the file now. With an error, which says what is wrong with it, the tokens of before stay.
func (f *TokenFile) Reload() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	text, info, err := readTokenFile(f.path)
	if err != nil {
		return fmt.Errorf("token file: %w", err)
	}
	tokens, err := tokenfile.Parse(text)
	if err != nil {
		return fmt.Errorf("token file %s: %w", f.path, err)
	}
	if f.read == nil || f.read.Mode() != info.Mode() {
		f.warnOfMode(info.Mode())
	}
	f.read, f.readAt = info, time.Now()
	f.replace(tokens)
	return nil
}

// readTokenFile reads at most what a token file may have. A file that others may write would let them make themselves
// admins.
func readTokenFile(path string) ([]byte, os.FileInfo, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() { // opening a pipe could last for ever
		return nil, nil, fmt.Errorf("%s is not a regular file: expected one, or a link to one", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() // only read
	if info, err = file.Stat(); err != nil {
		return nil, nil, err
	}
	if info.Mode()&0o022 != 0 && runtime.GOOS != "windows" {
		return nil, nil, fmt.Errorf("%s has the mode %#o: others may write it; set it to 0600 (chmod 600)", path,
			info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, tokenfile.MaxBytes+1))
	return text, info, err
}

// warnOfMode logs that more people than necessary can read names and roles.
func (f *TokenFile) warnOfMode(mode os.FileMode) {
	if mode&0o004 != 0 && runtime.GOOS != "windows" {
		f.logger.Warn("everybody can read the token file: names, roles and hashes; set its mode to 0600", "path", f.path,
			"mode", fmt.Sprintf("%#o", mode.Perm()))
	}
}

// replace makes the tokens of a file the ones that can be used, and revokes those that are gone or have changed. The
// caller holds mu.
func (f *TokenFile) replace(tokens []tokenfile.Entry) {
	before := f.tokens.Load()
	now := &tokenSet{live: make(map[[sha256.Size]byte]*liveToken, len(tokens)),
		revoked: make(map[[sha256.Size]byte]struct{})}
	added := 0
	for _, t := range tokens {
		if old := before.live[t.Hash]; old != nil && old.same(t) {
			now.live[t.Hash] = old
			continue
		}
		now.live[t.Hash] = newLiveToken(t)
		added++
	}
	var gone []*liveToken
	for hash, old := range before.live {
		if now.live[hash] != old {
			gone = append(gone, old)
			now.remember(hash)
		}
	}
	for hash := range before.revoked {
		now.remember(hash)
	}
	f.tokens.Store(now)
	for _, old := range gone {
		old.revoke()
	}
	if added+len(gone) > 0 {
		f.logger.Info("tokens loaded", "tokens", len(now.live), "added", added, "revoked", len(gone))
	}
}

func newLiveToken(e tokenfile.Entry) *liveToken {
	role, _ := ParseRole(e.Role) // tokenfile has refused other words
	valid, revoke := context.WithCancel(context.Background())
	return &liveToken{Entry: e, role: role, valid: valid, revoke: revoke}
}

// same reports whether a token is unchanged, in any line of the file.
func (t *liveToken) same(other tokenfile.Entry) bool {
	return t.Name == other.Name && t.Role == other.Role && t.Hash == other.Hash && t.Expires.Equal(other.Expires)
}

// remember notes a revoked hash, unless it is live again or maxRevoked are remembered.
func (s *tokenSet) remember(hash [sha256.Size]byte) {
	if s.live[hash] == nil && len(s.revoked) < maxRevoked {
		s.revoked[hash] = struct{}{}
	}
}

// find returns the token of a text, and whether there was one that was revoked; nil without one. It looks for the hash,
// so that the time it takes tells nothing about tokens.
func (f *TokenFile) find(token string) (live *liveToken, wasLive bool) {
	hash := tokenfile.Hash(token)
	set := f.tokens.Load()
	_, wasLive = set.revoked[hash]
	return set.live[hash], wasLive
}
