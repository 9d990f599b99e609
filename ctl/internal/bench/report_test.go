package bench

import "testing"

func TestBenchTexts(t *testing.T) {
	for us, want := range map[float64]string{
		0: "0s", 0.128: "130ns", 12.34: "12.3µs", 123.4: "123µs", 1234: "1.23ms", 12345: "12.3ms", 123456: "123ms",
		1234567: "1.23s", 12345678: "12.3s", 123456789: "2m3s", 7.2e9: "2h0m0s",
	} {
		if got := latencyText(us); got != want {
			t.Errorf("%v µs is shown as %s, want %s", us, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234",
		-123: "-123"} {
		if got := countText(n); got != want {
			t.Errorf("%d is shown as %s", n, got)
		}
	}
	for r, want := range map[float64]string{0: "0/s", 0.25: "0.25/s", 12.34: "12.3/s", 99.99: "100/s",
		48213.4: "48,213/s"} {
		if got := rateText(r); got != want {
			t.Errorf("%v is shown as %s", r, got)
		}
	}
	if got := failuresText(map[string]int64{"reset": 2, "closedByPeer": 1}); got != "3 (closed by peer 1, reset 2)" {
		t.Error(got)
	}
}
