package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fileEdit replaces a file whole: what it will have is written beside it, to FILE.lock, which takes its place in one step. As with
// git's index, the lock file also keeps two edits from happening at once.
type fileEdit struct {
	path string      // of the file itself, where a link leads to it
	old  fs.FileInfo // of the file as it was; nil: there was none
	lock *os.File    // nil: the edit is over
}

// BeginEdit locks a file, which need not exist, for this process to change. The caller calls abandon at the end.
func BeginEdit(path string) (*fileEdit, error) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	lock, err := os.OpenFile(path+".lock", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s.lock exists: another ctl is changing %s, or was ended in the middle of it; if none is, remove that file", path, path)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be changed: %w", path, err)
	}
	e := &fileEdit{path: path, lock: lock}
	if e.old, err = os.Stat(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.Abandon()
		return nil, fmt.Errorf("%s cannot be changed: %w", path, err)
	}
	return e, nil
}

// ModeOr is the mode of the file as it was, or mode for a new one.
func (e *fileEdit) ModeOr(mode fs.FileMode) fs.FileMode {
	if e.old == nil {
		return mode
	}
	return e.old.Mode().Perm()
}

// Commit gives the file its new contents and its mode. One that existed keeps its owner.
func (e *fileEdit) Commit(data []byte, mode fs.FileMode) error {
	if err := e.write(data, mode); err != nil {
		return fmt.Errorf("%s cannot be changed: %w", e.path, err)
	}
	if err := os.Rename(e.lock.Name(), e.path); err != nil {
		return fmt.Errorf("%s cannot be changed: %w", e.path, err)
	}
	e.lock = nil
	return nil
}

// write writes the lock file, so that it is on the disk before it becomes the file.
func (e *fileEdit) write(data []byte, mode fs.FileMode) error {
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
func (e *fileEdit) Abandon() {
	if e.lock == nil {
		return
	}
	_ = e.lock.Close() // closed already when only the renaming failed
	_ = os.Remove(e.lock.Name())
	e.lock = nil
}
