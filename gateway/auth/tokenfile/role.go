package tokenfile

import (
	"regexp"
	"slices"
	"strings"
)

// HandlerScheme is the beginning of the role of a remote handler's program: `handler:` and the handler's name.
const HandlerScheme = "handler:"

// AnyRole is the form of all roles, as errors and help write it.
const AnyRole = "viewer, operator, admin or " + HandlerScheme + "NAME"

var handlerForm = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

// Roles returns the roles that are ordered, in ascending order. A token can also have the role of a handler.
func Roles() []string { return []string{"viewer", "operator", "admin"} }

// IsRole reports whether a token can have a role: one of Roles, or `handler:` and a name.
func IsRole(text string) bool {
	name, ok := strings.CutPrefix(text, HandlerScheme)
	return ok && IsHandler(name) || slices.Contains(Roles(), text)
}

// IsHandler reports whether a text can be the name of a remote handler: 1 to 32 of a-z, 0-9 and dash. No token has this
// form.
func IsHandler(text string) bool { return handlerForm.MatchString(text) }
