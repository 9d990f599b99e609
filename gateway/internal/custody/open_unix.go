//go:build unix

package custody

import "os"

// open checks and opens a file for a gateway that runs as a user.
func open(path string, user int) (*os.File, error) {
	w := walk{given: path, user: user}
	info, err := w.run()
	if err != nil {
		return nil, err
	}
	f, err := openRegular(w.at, path, info)
	if err != nil {
		return nil, err
	}
	return f, nil
}
