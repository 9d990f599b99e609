// Package bus says what a fleet needs of its message bus.
package bus
