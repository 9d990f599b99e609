//go:build unix

package custody

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// maxLinks is the most links on the way to a file, as in Linux.
const maxLinks = 40

// errLinks says that links lead nowhere.
var errLinks = errors.New("too many links on the way to the file")

// walk goes from / to a file, one name at a time, and checks everything on the way.
type walk struct {
	given string
	user  int
	at    string   // where it is; without links
	rest  []string // names that follow
	links int
}

// run returns the file at the end of the way.
func (w *walk) run() (os.FileInfo, error) {
	if err := w.begin(); err != nil {
		return nil, err
	}
	for {
		info, err := os.Lstat(w.at)
		switch {
		case err != nil:
			return nil, w.plain(err)
		case info.Mode()&os.ModeSymlink != 0:
			err = w.follow(info)
		case len(w.rest) == 0:
			return info, w.checkFile(info)
		case !info.IsDir():
			return nil, w.plain(&os.PathError{Err: syscall.ENOTDIR})
		default:
			err = w.checkFolder(info)
		}
		if err != nil {
			return nil, err
		}
		w.step()
	}
}

// begin puts the walk at /.
func (w *walk) begin() error {
	path := w.given
	if !filepath.IsAbs(path) {
		folder, err := os.Getwd()
		if err != nil {
			return err
		}
		path = folder + "/" + path
	}
	w.at, w.rest = "/", strings.Split(path, "/")
	return nil
}

// step goes to the next name, if there is one.
func (w *walk) step() {
	if len(w.rest) == 0 {
		return
	}
	w.at, w.rest = filepath.Join(w.at, w.rest[0]), w.rest[1:]
}

// follow leads the walk to the target of a link.
func (w *walk) follow(info os.FileInfo) error {
	if w.links++; w.links > maxLinks {
		return w.plain(&os.PathError{Op: "open", Path: w.given, Err: errLinks})
	}
	if err := w.checkOwner("link", info); err != nil {
		return err
	}
	target, err := os.Readlink(w.at)
	if err != nil {
		return err
	}
	w.at = filepath.Dir(w.at)
	if filepath.IsAbs(target) {
		w.at = "/"
	}
	w.rest = append(strings.Split(target, "/"), w.rest...)
	return nil
}

// plain returns an error of the file system about the path that was given.
func (w *walk) plain(err error) error {
	var failed *os.PathError
	if errors.As(err, &failed) {
		return &os.PathError{Op: "open", Path: w.given, Err: failed.Err}
	}
	return err
}

// othersWrite are the bits of a mode that let users other than the owner write.
const othersWrite = 0o022

func (w *walk) checkFile(info os.FileInfo) error {
	if !info.Mode().IsRegular() {
		return nil // it is refused as such
	}
	if err := w.checkOwner("file", info); err != nil {
		return err
	}
	if info.Mode()&othersWrite == 0 {
		return nil
	}
	return fmt.Errorf("%s has the mode %#o: others may write it; set it to 0600 (chmod 600 %s)", w.name(),
		info.Mode().Perm(), w.at)
}

func (w *walk) checkFolder(info os.FileInfo) error {
	if err := w.checkOwner("folder", info); err != nil {
		return err
	}
	if info.Mode()&othersWrite == 0 || info.Mode()&os.ModeSticky != 0 || readOnly(w.at) {
		return nil
	}
	return fmt.Errorf("%s: the folder %s has the mode %#o: others may replace what is in it; expected a folder that only "+
		"its owner may write (chmod go-w %s)", w.given, w.at, info.Mode().Perm(), w.at)
}

// checkOwner refuses what belongs to neither root nor the gateway's user.
func (w *walk) checkOwner(kind string, info os.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 || int(stat.Uid) == w.user {
		return nil
	}
	return fmt.Errorf("%s: the %s %s belongs to the user %d (mode %#o) and could be changed by it; expected the "+
		"gateway's user (%d) or root (chown %d %s)", w.given, kind, w.at, stat.Uid, info.Mode().Perm(), w.user, w.user, w.at)
}

// name returns the given path, and the file's own if links lead to it.
func (w *walk) name() string {
	if w.links == 0 {
		return w.given
	}
	return w.given + ", a link to " + w.at + ","
}
