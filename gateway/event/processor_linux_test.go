package event_test

import (
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// processorTime returns the processor time of the calling thread.
func processorTime(b *testing.B) time.Duration {
	const threadClock = 3 // CLOCK_THREAD_CPUTIME_ID
	var t syscall.Timespec
	if _, _, err := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, threadClock, uintptr(unsafe.Pointer(&t)), 0); err != 0 {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
