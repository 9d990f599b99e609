package tlsfiles

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sockgate/sockgate/gateway/internal/custody"
)

// maxFile is the most bytes of a file. The certificates of all public CAs together take a quarter of it.
const maxFile = 1 << 20

// settling is how long after a change a file is read at every check. A file that is written twice within the resolution
// of the file system's clock looks unchanged afterwards.
const settling = 3 * time.Second

// file is a file as of one moment.
type file struct {
	info os.FileInfo // nil if it could not be read
	data []byte
	err  error // why it could not be read; names the file
}

// snapshot maps the paths of a configuration's files to the files as of one moment.
type snapshot map[string]file

// takeSnapshot reads files. A read error becomes part of the snapshot.
func takeSnapshot(paths []string) snapshot {
	s := make(snapshot, len(paths))
	for _, path := range paths {
		s[path] = readFile(path)
	}
	return s
}

// readFile reads a file, following links. It refuses a file that other users may write or replace: a key that they know
// is no secret, and a CA of theirs could let them in. Kubernetes changes the link in front of all files of a secret at
// once.
func readFile(path string) file {
	f, err := custody.Open(path)
	var failed *os.PathError
	switch {
	case errors.As(err, &failed):
		return file{err: fmt.Errorf("cannot read %w", withoutOperation(err))}
	case err != nil:
		return file{err: err}
	}
	info, err := f.Stat() // taken before reading, so that the next check sees a change in between
	var data []byte
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(f, maxFile+1))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return file{err: fmt.Errorf("cannot read %w", withoutOperation(err))}
	}
	if len(data) > maxFile {
		return file{info: info, err: fmt.Errorf("%s is longer than %d bytes: expected certificates or a key in PEM", path,
			maxFile)}
	}
	return file{info: info, data: data}
}

// withoutOperation returns an error of the file system as `path: cause`.
func withoutOperation(err error) error {
	var failed *os.PathError
	if errors.As(err, &failed) {
		return fmt.Errorf("%s: %w", failed.Path, failed.Err)
	}
	return err
}

// withoutData returns the part of a snapshot that mayDiffer needs, so that keys are not in memory twice.
func (s snapshot) withoutData() snapshot {
	bare := make(snapshot, len(s))
	for path, f := range s {
		bare[path] = file{info: f.info, err: f.err}
	}
	return bare
}

// digest returns a hash of the contents and errors of all files.
func (s snapshot) digest(paths []string) [sha256.Size]byte {
	h := sha256.New()
	for _, path := range paths {
		f := s[path]
		fmt.Fprintf(h, "%d %v\n", len(f.data), f.err)
		h.Write(f.data)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// mayDiffer reports whether the files may have changed since. It compares file, size and time of each path. A file that
// has just changed may hide another change, so it counts as changed. mayDiffer does not read the files.
func (s snapshot) mayDiffer(now time.Time) bool {
	for path, old := range s {
		info, err := os.Stat(path)
		if err != nil {
			if old.info != nil {
				return true
			}
			continue
		}
		if old.info == nil || !os.SameFile(info, old.info) || info.Size() != old.info.Size() ||
			!info.ModTime().Equal(old.info.ModTime()) ||
			now.Sub(info.ModTime()) < settling {
			return true
		}
	}
	return false
}
