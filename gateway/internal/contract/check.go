package contract

import "fmt"

// BoundsError says that a request's field is out of its bounds: INVALID_ARGUMENT with the reason OUT_OF_BOUNDS.
type BoundsError struct {
	Field string // the contract's name; a path such as `scope.nodes` for a field of a field
	Text  string // the given value and the expected form
}

// Error returns the field and the text.
func (e *BoundsError) Error() string { return e.Field + ": " + e.Text }

// IDError says that a request's field has a text that is no connection ID: INVALID_ARGUMENT with the reason
// MALFORMED_ID.
type IDError struct {
	Field string // the contract's name
	ID    string // the given text
	Err   error  // the mistake in it
}

// Error returns the mistake in the ID.
func (e *IDError) Error() string { return e.Err.Error() }

// First returns the first error that is not nil. All of its arguments have been evaluated by then.
func First(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Check returns nil if ok, and otherwise a *BoundsError about a field, with a text made by fmt.Sprintf. The arguments
// are evaluated in both cases.
func Check(ok bool, field, format string, args ...any) error {
	if ok {
		return nil
	}
	return &BoundsError{Field: field, Text: fmt.Sprintf(format, args...)}
}
