package app

import (
	"testing"
)

// However a text is cut into packets, it comes out whole, and bytes come out as they would in one packet.
func TestTallyExitCode(t *testing.T) {
	tests := []struct {
		codes []int
		want  int
	}{
		{nil, 0}, {[]int{0, 0}, 0}, {[]int{0, 4}, 3}, {[]int{1, 0}, 3}, {[]int{4}, 4}, {[]int{4, 4}, 4}, {[]int{1, 1}, 1},
		{[]int{2}, 2}, {[]int{4, 1}, 1}, {[]int{4, 1, 0}, 3},
	}
	for _, tt := range tests {
		var result Tally
		for _, code := range tt.codes {
			result.Add(code)
		}
		if got := result.ExitCode(); got != tt.want {
			t.Errorf("%v: %d, want %d", tt.codes, got, tt.want)
		}
	}
}
