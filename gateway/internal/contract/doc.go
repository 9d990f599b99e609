// Package contract holds what the control plane and the fleet must agree on beyond the generated code: the reasons of
// errors, the bounds of requests, the checksums of tokens, and which methods only read.
package contract
