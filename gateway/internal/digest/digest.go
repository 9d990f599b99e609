// Package digest logs things that callers can make happen as often as they like: the first at once, the next ones
// together.
package digest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	// period is the least time between two lines with one key.
	period = time.Second
	// maxKeys is the most keys with a line to come. Further ones share the key "other".
	maxKeys = 256
)

// Log writes a digest of what is noted, while Report runs. Its methods may be called from any goroutine.
type Log struct {
	logger hclog.Logger
	wake   chan struct{} // capacity 1

	mu    sync.Mutex
	fresh map[string]*line // not logged yet, by key
}

// line is a line to come: the number of things, and the fields of the newest.
type line struct {
	level   hclog.Level
	message string
	count   uint64
	fields  []any
}

// New returns a digest that is written to a logger.
func New(logger hclog.Logger) *Log {
	return &Log{logger: logger, wake: make(chan struct{}, 1), fresh: make(map[string]*line)}
}

// Note takes note of a thing. Things with one key share a line, with the fields of the newest of them and their number
// as the field "calls". It does not wait for the log, and keeps fields.
func (l *Log) Note(level hclog.Level, message, key string, fields ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.fresh[key]; !ok && len(l.fresh) >= maxKeys {
		key = "other"
	}
	of := l.fresh[key]
	if of == nil {
		of = &line{}
		l.fresh[key] = of
	}
	of.count++
	of.level, of.message, of.fields = level, message, fields
	select {
	case l.wake <- struct{}{}:
	default: // Report is awake already
	}
}

// Report writes lines until ctx ends, and then the remaining ones.
func (l *Log) Report(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			l.write()
			return
		case <-l.wake:
		}
		l.write()
		select {
		case <-ctx.Done():
		case <-time.After(period):
		}
	}
}

func (l *Log) write() {
	l.mu.Lock()
	fresh := l.fresh
	l.fresh = make(map[string]*line)
	l.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(fresh)) {
		of := fresh[key]
		l.logger.Log(of.level, of.message, append([]any{"calls", of.count}, of.fields...)...)
	}
}
