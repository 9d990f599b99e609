// Package contract holds what the control plane and the fleet must agree on: the reasons of errors, the bounds of
// requests, and the parts of tokens.
package contract
