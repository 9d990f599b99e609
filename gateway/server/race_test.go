//go:build race

package server_test

// bulk is how many bytes the bulk tests move: fewer under the race detector, which is slow.
const bulk = 16 << 20
