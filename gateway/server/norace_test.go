//go:build !race

package server_test

// bulk is how many bytes the bulk tests move.
const bulk = 64 << 20
