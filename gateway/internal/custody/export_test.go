//go:build unix

package custody

// OpenAs opens a file for a gateway that runs as another user.
var OpenAs = open
