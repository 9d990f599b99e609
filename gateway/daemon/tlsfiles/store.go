// Package tlsfiles makes TLS configurations from certificate files, and follows the files. New connections see new
// certificates and client CAs within a second. Established connections notice nothing.
package tlsfiles

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookEvery is how often the files are checked, with one stat each.
	lookEvery = time.Second
	// expiresSoon is how long before its end a certificate is warned about. Tools renew a certificate when a third of its
	// lifetime is left, which is earlier.
	expiresSoon = 7 * 24 * time.Hour
	// warnEvery is how often a certificate is warned about.
	warnEvery = 24 * time.Hour
)

// Store is the TLS of some files as they are now. Its methods may be called from any goroutine.
type Store struct {
	config  Config
	paths   []string // of every file
	keys    *tls.Config
	current atomic.Pointer[generation]
	stop    context.CancelFunc
	ended   chan struct{} // closed when follow has returned

	mu       sync.Mutex        // one load at a time; order: docs/locks.md
	seen     snapshot          // the files at the last load, without their contents
	digest   [sha256.Size]byte // of the files at the last load
	failure  error             // why the last load was not used; nil if it was
	warnedAt time.Time         // time of the last warning about expiry
}

// Open loads the files and follows them until Close. The error names the file and says what to do.
func Open(c Config) (*Store, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{config: c, paths: c.files(), keys: new(tls.Config), ended: make(chan struct{})}
	taken := s.take()
	first, err := newGeneration(&s.config, taken, s.keys)
	if err != nil {
		return nil, err
	}
	s.use(first, nil)
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	go s.follow(ctx)
	return s, nil
}

// TLSConfig returns a configuration for servers. Each handshake uses the files as loaded then. For clients, it shows
// the first certificate; the caller sets RootCAs. It may be cloned, and used by any number of connections.
func (s *Store) TLSConfig() *tls.Config {
	c := baseConfig(&s.config)
	c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.current.Load().config, nil }
	c.GetClientCertificate = s.clientCertificate
	return c
}

// Close stops following the files. Configurations keep the files that were loaded last. Call it once.
func (s *Store) Close() {
	s.stop()
	<-s.ended
}

// Reload loads the files now. It reports whether they have changed since the last load. The error says why the new
// files are not used; a new error has been logged.
func (s *Store) Reload() (changed bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(), s.failure
}

// follow checks the files until ctx ends.
func (s *Store) follow(ctx context.Context) {
	defer close(s.ended)
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.look(now)
		}
	}
}

// look loads the files if they may have changed, and warns about certificates that expire.
func (s *Store) look(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen.mayDiffer(now) {
		s.load()
	}
	if now.Sub(s.warnedAt) >= warnEvery {
		s.warnOfExpiry(s.current.Load())
	}
}

// take reads the files, and records their state. The caller holds mu, or is Open.
func (s *Store) take() snapshot {
	taken := takeSnapshot(s.paths)
	s.digest = taken.digest(s.paths)
	s.seen = taken.withoutData()
	return taken
}

// load reads the files and uses them if they are valid. It reports whether they have changed. The caller holds mu.
func (s *Store) load() bool {
	before := s.digest
	taken := s.take()
	if s.digest == before {
		return false
	}
	old := s.current.Load()
	next, err := newGeneration(&s.config, taken, s.keys)
	if err == nil {
		err = old.spoils(next, time.Now())
	}
	failed := s.failure != nil
	if s.failure = err; err != nil {
		s.config.Logger.Error("certificate files have changed and cannot be used: what was loaded before stays in force",
			"error", err)
		return true
	}
	if failed {
		s.config.Logger.Info("certificate files can be used again")
	}
	s.use(next, old)
	return true
}

// use makes a generation the current one, and logs its changes. The caller holds mu, or is Open.
func (s *Store) use(next, old *generation) {
	s.current.Store(next)
	for i, c := range next.certificates {
		if old == nil || !old.certificates[i].same(c) {
			s.config.Logger.Info("certificate loaded", c.fields()...)
		}
		if c.exposed() {
			s.config.Logger.Warn("everybody on this machine may read a private key: take the right away (chmod o-r)", "file",
				c.pair.Key,
				"mode", c.mode.Perm().String())
		}
	}
	if len(next.authorities) > 0 && (old == nil || !next.sameAuthorities(old)) {
		s.config.Logger.Info("client CAs loaded", "files", s.config.ClientCA, "certificates", len(next.authorities))
	}
	s.warnOfExpiry(next)
}

// warnOfExpiry logs the certificates that have expired or soon will. The caller holds mu, or is Open.
func (s *Store) warnOfExpiry(g *generation) {
	now := time.Now()
	s.warnedAt = now
	for _, c := range g.certificates {
		if c.expired(now) {
			s.config.Logger.Warn("certificate has expired: clients refuse it; replace the file", c.fields()...)
		} else if c.expired(now.Add(expiresSoon)) {
			s.config.Logger.Warn("certificate expires soon: replace the file", c.fields()...)
		}
	}
	for _, a := range g.authorities {
		if now.Add(expiresSoon).After(a.NotAfter) {
			s.config.Logger.Warn("client CA expires soon or has expired: client certificates under it are refused then",
				"subject", a.Subject.String(),
				"expires", dated(a.NotAfter))
		}
	}
}
