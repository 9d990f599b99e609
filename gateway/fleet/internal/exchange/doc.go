// Package exchange asks other nodes and answers them over a bus. Each question and answer is to or from one life of one
// node. Streams have a window.
package exchange
