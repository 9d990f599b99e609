package process

import (
	"runtime"
	"testing"
)

func TestStatmResident(t *testing.T) {
	for statm, want := range map[string]uint64{
		"304912 2519 1450 1 0 20462 0\n": 2519 * 4096,
		"304912":                         0,
		"1 x":                            0,
		"":                               0,
	} {
		if got := statmResident(statm, 4096); got != want {
			t.Errorf("%q: %d bytes, want %d", statm, got, want)
		}
	}
}

// TestRead holds that the figures belong to this process: it has more memory than the test just allocated.
func TestRead(t *testing.T) {
	block := make([]byte, 32<<20)
	for i := range block {
		block[i] = 1
	}
	p := Read()
	if p.HeapBytes < uint64(len(block)) || p.Goroutines == 0 {
		t.Errorf("%+v with %d bytes allocated", p, len(block))
	}
	if runtime.GOOS == "linux" && p.ResidentBytes < uint64(len(block)) {
		t.Errorf("%+v with %d bytes written", p, len(block))
	}
	runtime.KeepAlive(block)
}
