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
	"github.com/sockgate/sockgate/gateway/internal/custody"
)

const (
	// tokenPoll is the time between two checks of a token file.
	tokenPoll = time.Second
	// tokenSettled is the age of a file from which on its modification time tells it from a newer one of the same size.
	tokenSettled = 2 * time.Second
	// maxRevoked is how many hashes of revoked tokens are remembered, to tell a revoked token from an unknown one.
	maxRevoked = 10_000
)

// TokenFile is the set of tokens in a file, which it follows. Within two seconds an added token can be used, and a
// removed or changed one is refused and its streams end. A file that cannot be read or is malformed changes nothing and
// is logged. Its methods may be called from any goroutine.
type TokenFile struct {
	path   string
	logger hclog.Logger
	tokens atomic.Pointer[tokenSet]
	stop   context.CancelFunc
	polled sync.WaitGroup

	mu        sync.Mutex  // for reading the file; held while streams of revoked tokens are ended
	read      os.FileInfo // of the file at the last reading
	readAt    time.Time
	complaint string // the last logged error, so that each is logged once
}

// tokenSet is the set of tokens that was read from a file. It is never modified.
type tokenSet struct {
	live    map[[sha256.Size]byte]*liveToken
	revoked map[[sha256.Size]byte]struct{} // hashes that once were live
}

// liveToken is a token that can be used. Its context ends when the token can no longer be used.
type liveToken struct {
	tokenfile.Entry
	right  Right
	valid  context.Context
	revoke context.CancelFunc
}

// OpenTokenFile reads a token file, and follows it until Close. A nil logger logs nothing. The error says what is wrong
// with the file: it cannot be read, is no regular file, is malformed (a *tokenfile.Error), or can be written or
// replaced by users other than root and the gateway's own.
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

// Close stops following the file. It must be called once. The tokens stay as they are.
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

// changed reports whether the file may differ from the one that was read. A file that cannot be checked counts as
// changed, because reading it says why.
func (f *TokenFile) changed() bool {
	now, err := os.Stat(f.path)
	f.mu.Lock()
	defer f.mu.Unlock()
	return err != nil || !os.SameFile(now, f.read) || now.Size() != f.read.Size() ||
		!now.ModTime().Equal(f.read.ModTime()) || now.Mode() != f.read.Mode() || f.readAt.Sub(now.ModTime()) < tokenSettled
}

// complain logs an error once, however often the same error recurs.
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

// Reload reads the file now. After an error, which says what is wrong with the file, the old tokens stay in force.
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

// readTokenFile reads at most the bytes that a token file may have. It refuses a file that other users may write or
// replace, because they could make themselves admins.
func readTokenFile(path string) ([]byte, os.FileInfo, error) {
	file, err := custody.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close() // only read
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, tokenfile.MaxBytes+1))
	return text, info, err
}

// warnOfMode logs that more users than necessary can read names and roles.
func (f *TokenFile) warnOfMode(mode os.FileMode) {
	if mode&0o004 != 0 && runtime.GOOS != "windows" {
		f.logger.Warn("everybody can read the token file: names, roles and hashes; set its mode to 0600", "path", f.path,
			"mode", fmt.Sprintf("%#o", mode.Perm()))
	}
}

// replace puts the tokens of a file in force, and revokes the ones that are gone or have changed. The caller holds mu.
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
	right, _ := ParseRight(e.Role) // tokenfile has refused other words
	valid, revoke := context.WithCancel(context.Background())
	return &liveToken{Entry: e, right: right, valid: valid, revoke: revoke}
}

// same reports whether a token is unchanged, on any line of the file.
func (t *liveToken) same(other tokenfile.Entry) bool {
	return t.Name == other.Name && t.Role == other.Role && t.Hash == other.Hash && t.Expires.Equal(other.Expires)
}

// remember notes a revoked hash, unless it is live again or maxRevoked are remembered.
func (s *tokenSet) remember(hash [sha256.Size]byte) {
	if s.live[hash] == nil && len(s.revoked) < maxRevoked {
		s.revoked[hash] = struct{}{}
	}
}

// find returns the live token of a text, or nil, and whether the text is a revoked token. It looks the hash up, so that
// the time that it takes tells nothing about tokens.
func (f *TokenFile) find(token string) (live *liveToken, wasLive bool) {
	hash := tokenfile.Hash(token)
	set := f.tokens.Load()
	_, wasLive = set.revoked[hash]
	return set.live[hash], wasLive
}
