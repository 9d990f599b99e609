// Package contract has the parts that the control plane and the fleet must agree on beyond the generated code: the
// reasons of errors, the bounds of requests, the checksums of tokens, and the set of methods that only read.
package contract
