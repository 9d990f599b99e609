//go:build !unix

package app

import "os"

// keepOwner does nothing: what owners a file has is not known here.
func keepOwner(*os.File, os.FileInfo) error { return nil }
