//go:build unix && !solaris && !aix

package ban

import (
	"errors"
	"os"
	"syscall"
)

// lockFile locks an open file. The kernel releases the lock when the file is closed or the process is killed.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errors.New("another process, or another server of this one, has its lock")
	}
	return os.NewSyscallError("flock", err)
}

// syncDirectory puts a rename in a directory on the disk.
func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}

// readOnly reports whether an error is of a disk that is mounted read-only.
func readOnly(err error) bool { return errors.Is(err, syscall.EROFS) }
