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

const (
	// maxFile is the greatest size of a ban file, in bytes: room for all bans, and for the changes since it was rewritten.
	maxFile = 4 * maxBytes
	// minFull is the size up to which a file is never rewritten for its size.
	minFull = 64 << 10
)

// file is the ban file: a line for each change, rewritten when it has grown to twice its size. A lock on a file beside
// it is held as long as it is open. One goroutine may use it at a time.
type file struct {
	path   string
	lock   *os.File // of path + ".lock", which is never removed: two servers could then both lock it
	log    *os.File // the file, open for writing; nil when there is none that can be written
	size   int64    // where the next line goes
	fullAt int64    // the size at which the file is rewritten
	stale  bool     // only a rewrite makes the file right
	cut    int      // bytes of a torn end that load cut off
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
	lock, err := openLock(path + ".lock")
	if err != nil {
		return nil, fmt.Errorf("ban file %s cannot be locked: %w; its directory must exist, and the gateway be allowed to "+
			"write there", path, err)
	}
	if err := lockFile(lock); err != nil {
		return nil, errors.Join(&InUseError{Path: path, Err: err}, lock.Close())
	}
	return &file{path: path, lock: lock}, nil
}

// openLock opens the lock of a ban file. On a disk that became read-only it must exist already.
func openLock(path string) (*os.File, error) {
	lock, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if !readOnly(err) {
		return lock, err
	}
	return os.Open(path)
}

// close releases the lock.
func (f *file) close() error {
	if f.log == nil {
		return f.lock.Close()
	}
	return errors.Join(f.log.Close(), f.lock.Close())
}

// load reads the file. Without a file there are no bans. It sets a damaged file aside: damage says so, and rows are the
// bans of its readable lines. The error is about a file that cannot be read, or that is damaged and cannot be set
// aside. To go on would lose its bans.
func (f *file) load(now time.Time) (rows []*Ban, damage error, err error) {
	text, err := f.read()
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("ban file %s cannot be read: %w; let the gateway read it, or move it away to start "+
			"without bans", f.path, err)
	}
	c := decode(text, now)
	if c.damage == nil {
		f.resume(c, len(text))
		return c.rows, nil, nil
	}
	f.stale = true
	aside, err := f.setAside(text, now)
	if err != nil {
		return nil, nil, fmt.Errorf("ban file %s is damaged (%w) and cannot be set aside: %w; mend it, or move it away to "+
			"start without bans", f.path, c.damage, err)
	}
	return c.rows, fmt.Errorf("ban file %s is damaged; it was set aside as %s, and %d of its bans are in force: %w",
		f.path, aside, len(c.rows), c.damage), nil
}

// resume prepares to append to a file that was read, and cuts off a torn end. A file of version 1, or one that cannot
// be opened for writing, is stale.
func (f *file) resume(c contents, length int) {
	f.size, f.cut = int64(c.good), length-c.good
	bytes := 0
	for _, b := range c.rows {
		b.kept.Store(true)
		bytes += b.size
	}
	f.fullAt = max(minFull, int64(2*bytes))
	log, err := os.OpenFile(f.path, os.O_WRONLY, 0)
	if err == nil {
		f.log = log
	}
	f.stale = c.old || err != nil || f.cut > 0 && errors.Join(log.Truncate(f.size), log.Sync()) != nil
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

// setAside copies a damaged file to an unused name, and returns that name. The file itself stays until it is rewritten,
// so that a crash before that loses nothing.
func (f *file) setAside(text []byte, now time.Time) (string, error) {
	for second := now.Unix(); ; second++ {
		name := f.path + ".damaged-" + strconv.FormatInt(second, 10)
		if _, err := os.Lstat(name); err == nil {
			continue
		}
		if len(text) > maxFile { // read stopped there
			if err := os.Rename(f.path, name); err != nil {
				return "", err
			}
			return name, syncDirectory(filepath.Dir(f.path))
		}
		copied, err := writeNew(name, text)
		if err != nil {
			return "", err
		}
		return name, errors.Join(copied.Close(), syncDirectory(filepath.Dir(f.path)))
	}
}

// whole reports whether the file is as this server left it, so that lines can be appended. Another program may have
// removed or changed it.
func (f *file) whole() bool {
	if f.log == nil || f.stale {
		return false
	}
	there, err := os.Stat(f.path)
	if err == nil {
		mine, err := f.log.Stat()
		if err == nil && os.SameFile(there, mine) && mine.Size() == f.size {
			return true
		}
	}
	f.stale = true
	return false
}

// full reports whether so many bytes more are a reason to rewrite the file.
func (f *file) full(more int) bool { return f.size+int64(more) > f.fullAt }

// keep appends lines, or rewrites the file when rows is not nil: rows are then all bans, and include the lines'.
// Without an error all is on the disk. After one, only rows will do.
func (f *file) keep(lines []byte, rows []*Ban) (err error) {
	switch {
	case rows == nil:
		err = f.append(lines)
	default:
		if err = f.rewrite(Encode(rows)); err != nil && f.log != nil && !f.stale && len(lines) > 0 {
			err = f.appendInstead(lines)
		}
	}
	if err != nil {
		f.stale = true
		if path := (*os.PathError)(nil); errors.As(err, &path) {
			err = path.Err // the file that is appended to still bears the name of its draft
		}
		return fmt.Errorf("ban file %s cannot be written: %w", f.path, err)
	}
	return nil
}

// appendInstead appends lines to a file that is full, because the disk has no room for another file.
func (f *file) appendInstead(lines []byte) error {
	if f.size+int64(len(lines)) > maxFile {
		return fmt.Errorf("it has %d bytes and there is no room to rewrite it", f.size)
	}
	f.fullAt = min(2*f.size, maxFile) // a start reads no larger file, and would lose all bans
	return f.append(lines)
}

// append writes lines behind the others. After an error it takes back those that were written.
func (f *file) append(lines []byte) error {
	_, err := f.log.WriteAt(lines, f.size)
	if err == nil {
		err = f.log.Sync()
	}
	if err != nil {
		_ = f.log.Truncate(f.size) // what stays is read as changes at the next start
		return err
	}
	f.size += int64(len(lines))
	return nil
}

// rewrite replaces the file. Every reader finds either the old one or the new one, also after a crash.
func (f *file) rewrite(text []byte) error {
	log, err := f.replace(text)
	if log != nil {
		if f.log != nil {
			_ = f.log.Close() // it is gone from the directory
		}
		f.log, f.size, f.fullAt, f.stale = log, int64(len(text)), max(minFull, 2*int64(len(text))), err != nil
	}
	return err
}

// replace replaces the file atomically by one that only the owner may read, and returns it. It returns an error with a
// file when only the sync of the rename failed.
func (f *file) replace(text []byte) (*os.File, error) {
	draft := f.path + ".new"
	if err := os.Remove(draft); err != nil && !errors.Is(err, os.ErrNotExist) { // left by a process that was killed
		return nil, err
	}
	log, err := writeNew(draft, text)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(draft, f.path); err != nil {
		return nil, errors.Join(err, log.Close(), os.RemoveAll(draft))
	}
	return log, syncDirectory(filepath.Dir(f.path))
}

// writeNew creates a file, and returns it when it is on the disk. After an error there is none.
func writeNew(path string, text []byte) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.RemoveAll(path))
	}
	return file, nil
}
