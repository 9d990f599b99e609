package contract

import (
	"fmt"
)

// BoundsError says that a field is out of its bounds.
type BoundsError struct {
	Field, Text string
}

func (e *BoundsError) Error() string { return e.Field + ": " + e.Text }

// IDError says that a field has something that is not a connection ID.
type IDError struct {
	Field, ID string
	Err       error
}

func (e *IDError) Error() string { return e.Err.Error() }

// First returns the first error.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func Check(ok bool, field, format string, args ...any) error {
	if ok {
		return nil
	}
	return &BoundsError{Field: field, Text: fmt.Sprintf(format, args...)}
}
