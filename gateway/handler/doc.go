// Package handler has the gateway's built-in handlers, one file each.
package handler
