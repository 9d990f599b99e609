// Package fileedit replaces files as a whole.
package fileedit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Edit replaces a file as a whole: the new contents go to FILE.lock, which then takes the file's place in one
// step. As with git's index, the lock file also prevents two edits at once.
type Edit struct {
	path string      // of the file itself, where a link leads to it
	old  fs.FileInfo // of the file as it was; nil: there was none
	lock *os.File    // nil: the edit is over
}

// Begin locks a file, which need not exist, for this process to change. The caller calls Abandon at the end.
func Begin(path string) (*Edit, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	lock, err := os.OpenFile(path+".lock", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s.lock exists: another ctl is changing %s, or was ended in the middle of it; if none is, "+
			"remove that file", path, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be changed: %w", path, err)
	}
	e := &Edit{path: path, lock: lock}
	if e.old, err = os.Stat(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.Abandon()
		return nil, fmt.Errorf("%s cannot be changed: %w", path, err)
	}
	return e, nil
}

// ModeOr returns the mode of the existing file, or mode for a new one.
func (e *Edit) ModeOr(mode fs.FileMode) fs.FileMode {
	if e.old == nil {
		return mode
	}
	return e.old.Mode().Perm()
}

// Commit gives the file its new contents and mode. An existing file keeps its owner.
func (e *Edit) Commit(data []byte, mode fs.FileMode) error {
	if err := e.write(data, mode); err != nil {
		return fmt.Errorf("%s cannot be changed: %w", e.path, err)
	}
	if err := os.Rename(e.lock.Name(), e.path); err != nil {
		return fmt.Errorf("%s cannot be changed: %w", e.path, err)
	}
	e.lock = nil
	return nil
}

// write writes the lock file and syncs it: it must be on the disk before it becomes the file.
func (e *Edit) write(data []byte, mode fs.FileMode) error {
	if e.old != nil {
		if err := keepOwner(e.lock, e.old); err != nil {
			return err
		}
	}
	if _, err := e.lock.Write(data); err != nil {
		return err
	}
	return errors.Join(e.lock.Chmod(mode), e.lock.Sync(), e.lock.Close())
}

// Abandon removes the lock of an edit that was not committed.
func (e *Edit) Abandon() {
	if e.lock == nil {
		return
	}
	_ = e.lock.Close() // closed already when only the renaming failed
	_ = os.Remove(e.lock.Name())
	e.lock = nil
}
