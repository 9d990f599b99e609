package tokenfile

import (
	"bytes"
	"crypto/sha256"
	"strings"
)

// Bounds of a file.
const (
	MaxTokens = 10_000
	MaxBytes  = 1 << 20
)

// Parse returns the entries of a token file, in order. The error is an *Error about the first wrong line; Parse returns
// no entries then.
func Parse(text []byte) ([]Entry, error) {
	if len(text) > MaxBytes {
		return nil, &Error{Problem: TooLarge, Bytes: len(text)}
	}
	f := file{names: make(map[string]int), hashes: make(map[[sha256.Size]byte]int)}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if err := f.add(string(line), number); err != nil {
			err.Line = number
			return nil, err
		}
	}
	return f.entries, nil
}

// file is a token file that is being read, line by line.
type file struct {
	entries []Entry
	names   map[string]int // lines by name
	hashes  map[[sha256.Size]byte]int
}

func (f *file) add(line string, number int) *Error {
	fields := strings.FieldsFunc(strings.TrimRight(line, "\r\n"), func(r rune) bool { return r == ' ' || r == '\t' })
	if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
		return nil
	}
	e, err := parseLine(fields)
	switch {
	case err != nil:
		return err
	case f.names[e.Name] > 0:
		return &Error{Problem: NameTwice, Name: e.Name, First: f.names[e.Name]}
	case f.hashes[e.Hash] > 0:
		return &Error{Problem: HashTwice, Name: e.Name, First: f.hashes[e.Hash]}
	case len(f.entries) == MaxTokens:
		return &Error{Problem: TooMany}
	}
	e.Line = number
	f.names[e.Name], f.hashes[e.Hash] = number, number
	f.entries = append(f.entries, e)
	return nil
}
