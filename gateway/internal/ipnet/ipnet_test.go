package ipnet

import (
	"net"
	"net/netip"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8":           "10.0.0.0/8",
		"10.1.2.3/8":           "10.0.0.0/8",
		"203.0.113.7":          "203.0.113.7/32",
		"::ffff:203.0.113.7":   "203.0.113.7/32",
		"::ffff:10.0.0.0/104":  "10.0.0.0/8",
		"2001:db8::1":          "2001:db8::1/128",
		"2001:db8:1::/32":      "2001:db8::/32",
		"fe80::1%eth0":         "",
		"":                     "",
		"10.0.0.0/33":          "",
		"localhost":            "",
		"fe80::%eth0/64":       "",
		"10.0.0.0/8 10.0.0.1 ": "",
	} {
		got, err := Parse(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("Parse(%q): %s, %v; expected %q", text, got, err, want)
		}
	}
}

func TestParseDroppingZone(t *testing.T) {
	for text, want := range map[string]string{"fe80::1%eth0": "fe80::1/128", "fe80::1%e/64": "",
		"10.0.0.0/8": "10.0.0.0/8"} {
		got, err := ParseDroppingZone(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("ParseDroppingZone(%q): %s, %v; expected %q", text, got, err, want)
		}
	}
}

func TestSite(t *testing.T) {
	for text, want := range map[string]string{"2001:db8::1": "2001:db8::/64", "203.0.113.7": "",
		"::ffff:203.0.113.7": ""} {
		got, ok := Site(netip.MustParseAddr(text))
		if ok != (want != "") || ok && got.String() != want {
			t.Errorf("Site(%s): %s, %v; expected %q", text, got, ok, want)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for _, c := range []struct {
		addr net.Addr
		want bool
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, true},
		{&net.TCPAddr{IP: net.IPv4(127, 9, 9, 9).To16(), Port: 1}, true},
		{&net.TCPAddr{IP: net.IPv6loopback}, true},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Zone: "lo"}, false},
		{&net.TCPAddr{IP: net.IPv4zero, Port: 1}, false},
		{&net.TCPAddr{IP: net.IPv4(203, 0, 113, 7)}, false},
		{&net.TCPAddr{}, false},
		{&net.UnixAddr{Name: "/run/x", Net: "unix"}, false},
		{nil, false},
	} {
		if got := IsLoopback(c.addr); got != c.want {
			t.Errorf("IsLoopback(%v): %v; expected %v", c.addr, got, c.want)
		}
	}
}
