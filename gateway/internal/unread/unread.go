// Package unread bounds the answers that gRPC queues for a client that does not read: those to frames that never become
// a call, such as one with wrong headers, and to calls that are refused at once. An import is enough.
//
// gRPC stops reading from a client with so many of them. The default is 10,000, and each may quote 16 KiB of headers.
package unread

import "os"

const (
	// limit is the most such answers of one connection.
	limit = "4"
	// variable sets the limit. gRPC reads it when its packages are initialized.
	variable = "GRPC_GO_EXPERIMENTAL_CONTROL_BUFFER_THROTTLE_LIMIT"
)

// init runs before gRPC's: Go initializes the packages whose imports are initialized in the order of their paths.
// Hazard: an import of this package that comes later in that order would come too late.
func init() {
	if _, set := os.LookupEnv(variable); !set {
		_ = os.Setenv(variable, limit) // the name is valid
	}
}
