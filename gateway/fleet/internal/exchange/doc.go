// Package exchange asks other nodes and answers them, over a bus: questions and answers, each to or from one life of
// one node, and streams with a window.
package exchange
