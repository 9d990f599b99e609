package ban

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// maxFile is the greatest size of a ban file, in bytes: room for Max bans with long reasons and identities.
const maxFile = 32 << 20

// file is the ban file, which is replaced whole. A lock on a file beside it is held as long as it is open. List.mu
// guards it.
type file struct {
	path string
	lock *os.File // of path + ".lock", which is never removed: two servers could then both lock it
}

// InUseError says that another server has the ban file.
type InUseError struct {
	Path string // the ban file
	Err  error  // the error of locking
}

// Error names the file and says what to do.
func (e *InUseError) Error() string {
	return fmt.Sprintf("ban file %s is in use: %v; stop the other gateway, or give each a ban file of its own", e.Path,
		e.Err)
}

// Unwrap returns the error of locking.
func (e *InUseError) Unwrap() error { return e.Err }

// openFile locks a ban file. It follows a symbolic link, which therefore stays when the file is replaced. The error
// says what to do.
func openFile(path string) (*file, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ban file %s cannot be locked: %w; its directory must exist, and the gateway be allowed to "+
			"write there", path, err)
	}
	if err := lockFile(lock); err != nil {
		return nil, errors.Join(&InUseError{Path: path, Err: err}, lock.Close())
	}
	return &file{path: path, lock: lock}, nil
}

// close releases the lock.
func (f *file) close() error { return f.lock.Close() }

// load reads the file. Without a file there are no bans. It sets a damaged file aside: damage says so, and there are no
// bans then. The error is about a file that cannot be read, or that is damaged and cannot be set aside. To go on would
// lose its bans.
func (f *file) load() (rows []*Ban, damage error, err error) {
	text, err := f.read()
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ban file %s cannot be read: %w; let the gateway read it, or move it away to start "+
			"without bans", f.path, err)
	}
	rows, damage = Decode(text, time.Now())
	if damage == nil {
		return rows, nil, nil
	}
	aside, err := f.setAside(time.Now())
	if err != nil {
		return nil, nil, fmt.Errorf("ban file %s is damaged (%w) and cannot be set aside: %w; mend it, or move it away to "+
			"start without bans", f.path, damage, err)
	}
	return nil, fmt.Errorf("ban file %s is damaged; it was set aside as %s, and there are no bans until they are added "+
		"again: %w", f.path, aside, damage), nil
}

// read returns the file's contents. Of a file that is too large it returns maxFile+1 bytes.
func (f *file) read() ([]byte, error) {
	info, err := os.Stat(f.path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // a device must not be set aside
		return nil, errors.New("it is no regular file")
	}
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	return text, errors.Join(err, file.Close())
}

// setAside renames a damaged file to an unused name, and returns that name.
func (f *file) setAside(now time.Time) (string, error) {
	for second := now.Unix(); ; second++ {
		name := f.path + ".damaged-" + strconv.FormatInt(second, 10)
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		if err := os.Rename(f.path, name); err != nil {
			return "", err
		}
		return name, syncDirectory(filepath.Dir(f.path))
	}
}

// save replaces the file. Every reader finds either all the old bans or all the new ones, also after a crash. Without
// an error the new ones are on the disk. With an error the old ones still are, with one exception: the rename was made
// and only its sync failed. The next save settles that.
func (f *file) save(rows []*Ban) error {
	text, err := Encode(rows)
	if err == nil {
		err = replaceFile(f.path, text)
	}
	if err != nil {
		return fmt.Errorf("ban file %s cannot be written: %w; no ban was changed", f.path, err)
	}
	return nil
}

// replaceFile replaces a file atomically. Only the owner may read the new one.
func replaceFile(path string, text []byte) error {
	draft := path + ".new"
	if err := os.Remove(draft); err != nil && !errors.Is(err, os.ErrNotExist) { // left by a process that was killed
		return err
	}
	if err := writeNew(draft, text); err != nil {
		return errors.Join(err, os.RemoveAll(draft))
	}
	if err := os.Rename(draft, path); err != nil {
		return errors.Join(err, os.RemoveAll(draft))
	}
	return syncDirectory(filepath.Dir(path))
}

// writeNew creates a file, and returns when it is on the disk.
func writeNew(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}
