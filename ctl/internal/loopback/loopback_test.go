package loopback

import "testing"

func TestOnThisMachine(t *testing.T) {
	for gateway, want := range map[string]bool{"127.0.0.1:1": true, "localhost:1": true, "[::1]:1": true,
		"unix:///x": true, "10.0.0.1:1": false, "edge:1": false, "[::ffff:127.0.0.1]:1": true} {
		if OnThisMachine(gateway) != want {
			t.Errorf("%s: %v", gateway, !want)
		}
	}
}
