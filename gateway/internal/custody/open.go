// Package custody opens files that decide about callers: tokens, keys, CAs. It refuses a file that anyone but root and
// the gateway's user could change or replace, as OpenSSH does with StrictModes.
//
// The file, each folder on the way from / and each link must belong to root or the gateway's user. The group and others
// may write neither the file nor a folder. They may write a sticky folder, because there only an owner can replace a
// file, and a folder on a read-only mount, because there nobody can. On systems without such modes nothing is checked.
package custody

import (
	"fmt"
	"os"
)

// Open opens a regular file for reading, after it has checked the file and the way to it. Links are followed, and
// nothing that is not a regular file is opened. The error names the path, the owner or mode found there, the expected
// ones, and what to do.
func Open(path string) (*os.File, error) { return open(path, os.Geteuid()) }

// Check does what Open does, for a file that another package reads.
func Check(path string) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

// openRegular opens a regular file, and nothing else: opening a pipe could block for ever.
func openRegular(path, given string, info os.FileInfo) (*os.File, error) {
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file: expected one, or a link to one", given)
	}
	return os.Open(path)
}
