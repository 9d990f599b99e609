package auth

import (
	"testing"
	"time"
)

// TestTenure checks that a connection without a proof keeps its place while its bytes wait for the gateway, and not
// longer than longestTenure in any case.
func TestTenure(t *testing.T) {
	accepted := time.Now().Round(0)
	for name, c := range map[string]struct {
		heard int64
		want  time.Duration
	}{
		"silent":             {accepted.UnixNano(), tenure},
		"unheard":            {unheard, longestTenure},
		"heard a moment ago": {accepted.Add(tenure / 2).UnixNano(), tenure + tenure/2},
		"speaks for ever":    {accepted.Add(longestTenure).UnixNano(), longestTenure},
	} {
		conn := &boundedConn{since: accepted}
		conn.heard.Store(c.heard)
		if got := conn.tenureEnds().Sub(accepted); got != c.want {
			t.Errorf("%s: its tenure ends %s after it was accepted; expected %s", name, got, c.want)
		}
	}
}
