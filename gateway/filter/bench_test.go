package filter

import "testing"

func BenchmarkMatch(b *testing.B) {
	exprs := []string{
		``,
		`true`,
		`remote_ip == "10.1.2.4"`,
		`bytes_received > 1000 && idle > duration("5m")`,
		`ip_in(remote_ip, "10.0.0.0/8")`,
		`labels["room"] == "7"`,
		`labels["none"] == "7"`,
		`state == "OPEN"`,
		`id.matches("^edge-[0-9]+[.]")`,
		`labels.exists(k, labels[k] == "acme")`,
		`ip_in(remote_ip, "10.0.0.0/8") && idle > duration("5m") && labels["room"] == "7"`,
	}
	for _, expr := range exprs {
		b.Run(expr, func(b *testing.B) {
			f, info := compiled(b, expr), open()
			b.ReportAllocs()
			for b.Loop() {
				f.Match(info)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		compiled(b, `ip_in(remote_ip, "10.0.0.0/8") && idle > duration("5m") && labels["room"] == "7"`)
	}
}
