package tokenfile

import "fmt"

// Problem is a kind of mistake in a token file.
type Problem int

// Problems of a token file.
const (
	TooLarge    Problem = iota + 1 // the file has more than MaxBytes
	TooMany                        // more than MaxTokens
	WrongFields                    // not 3 or 4 fields
	WrongName
	WrongRole
	WrongHash
	WrongExpiry
	NameTwice
	HashTwice
)

// Error says what is wrong with a token file. It repeats no text that could be a token by mistake.
type Error struct {
	Problem Problem
	Line    int    // from 1; 0: the whole file
	Name    string // of the line's token; empty for WrongFields and WrongName, where it could be a token
	Fields  int    // for WrongFields: the number of fields
	First   int    // for NameTwice and HashTwice: the line that has it already
	Bytes   int    // for TooLarge: the size of the file
}

// Error returns the line and the form that is expected there.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.text()
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.text())
}

func (e *Error) text() string {
	switch e.Problem {
	case TooLarge:
		return fmt.Sprintf("%d bytes; expected at most %d", e.Bytes, MaxBytes)
	case TooMany:
		return fmt.Sprintf("more than %d tokens, which is the most", MaxTokens)
	case WrongFields:
		return fmt.Sprintf("%d fields; expected NAME ROLE %sHEX and perhaps %sTIME", e.Fields, hashScheme, expiryScheme)
	case WrongName:
		return "the name is malformed; expected 1 to 63 of a-z, 0-9, '.', '_' and '-'"
	case WrongRole:
		return fmt.Sprintf("the role of %s is malformed; expected %s, where NAME is 1 to 32 of a-z, 0-9 and '-'", e.Name,
			AnyRole)
	case WrongHash:
		return fmt.Sprintf("the hash of %s is malformed; expected %s and 64 lower-case hexadecimal digits", e.Name,
			hashScheme)
	case WrongExpiry:
		return fmt.Sprintf("the expiry of %s is malformed; expected for example %s2027-01-31T12:00:00Z", e.Name, expiryScheme)
	case NameTwice:
		return fmt.Sprintf("the name %q is in line %d already; expected each name once", e.Name, e.First)
	default:
		return fmt.Sprintf("the hash is in line %d already; expected each token once", e.First)
	}
}
