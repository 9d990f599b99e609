// Package bus defines the message bus that a fleet needs.
package bus
