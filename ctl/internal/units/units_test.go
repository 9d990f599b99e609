package units

import (
	"testing"
	"time"
)

func TestHumanUnits(t *testing.T) {
	sizes := map[uint64]string{
		0: "0B", 1023: "1023B", 1024: "1KiB", 1536: "1.5KiB", 1<<20 - 1: "1MiB", 1 << 20: "1MiB", 5 << 30: "5GiB",
		1<<64 - 1: "16EiB",
	}
	for n, want := range sizes {
		if got := HumanBytes(n); got != want {
			t.Errorf("humanBytes(%d) = %q, want %q", n, got, want)
		}
	}
	durations := map[time.Duration]string{
		0: "0s", 12345 * time.Nanosecond: "12µs", 250 * time.Millisecond: "250ms", 1500 * time.Millisecond: "1.5s",
		42 * time.Second: "42s", 192 * time.Second: "3m12s", time.Hour: "1h", 5*time.Hour + 2*time.Minute: "5h2m",
		76 * time.Hour: "3d4h", -time.Second: "-1s", 59*time.Minute + 59*time.Second + 600*time.Millisecond: "1h",
	}
	for d, want := range durations {
		if got := HumanDuration(d); got != want {
			t.Errorf("humanDuration(%s) = %q, want %q", d, got, want)
		}
	}
}
