// Package tokenfile reads and writes the file of tokens that a gateway accepts from its callers.
//
// A file has one token a line, its fields separated by spaces or tabs:
//
//	NAME ROLE sha256:HEX [expires:RFC3339]
//
// ROLE is viewer, operator, admin, or handler: and the name of a remote handler, which the token may then attach as.
//
// Empty lines and lines that begin with # are ignored. A name or a hash may occur once. The file contains no tokens,
// only their hashes: its readers cannot call the gateway. One wrong line makes the whole file wrong.
package tokenfile
