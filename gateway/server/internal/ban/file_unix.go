//go:build unix && !solaris && !aix

package ban

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock of an open file, which its closing gives back, also when the process is killed.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errors.New("another process, or another server of this one, has its lock")
	}
	return os.NewSyscallError("flock", err)
}

// syncDirectory makes a renaming in a directory last.
func syncDirectory(path string) error {
	directory, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(directory.Sync(), directory.Close())
}
