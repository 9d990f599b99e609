package filter

import (
	"fmt"
	"strings"
	"testing"

	"cel.dev/cel-go/checker"

	"github.com/sockgate/sockgate/gateway/event"
)

// and returns a conjunction of n equal terms.
func and(n int, term string) string {
	return strings.TrimSuffix(strings.Repeat(term+" && ", n), " && ")
}

// affordable are expressions that operators write, large ones among them.
var affordable = []string{
	and(150, `remote_ip != "10.1.2.4"`),
	`remote_ip in ["` + strings.Join(strings.Fields(strings.Repeat("10.1.2.3 ", 300)), `", "`) + `"]`,
	and(90, `!ip_in(remote_ip, "10.2.0.0/16")`),
	`labels.exists(k, k.startsWith("x-") && labels[k] != "")`,
	`labels.all(k, labels[k].contains("a"))`,
	`labels.all(k, labels.all(j, k <= j))`,
	`labels.tenant.matches("^[a-z]{2,8}-(eu|us|ap)-[0-9]+$")`,
	`id.matches("^(edge|core)-[0-9]+[.]")`,
	`close_text.matches("reset|broken pipe")`,
	`close_text.contains(closed_by)`,
	`close_text.lowerAscii().contains("connection reset by peer")`,
	`["10.0.0.0/8", "192.168.0.0/16", "fc00::/7"].exists(n, ip_in(remote_ip, n))`,
	`connected_at.getHours("Asia/Tokyo") < 9 || connected_at.getDayOfWeek("Asia/Tokyo") in [0, 6]`,
	`labels == {"room": "7", "tenant": "acme"}`,
	`timestamp(labels.until) < connected_at && timestamp(labels.since) > connected_at`,
	`string(remote_port).endsWith("7")`,
	`remote_address.split(":").size() == 2`,
	`labels.map(k, labels[k]).exists(v, v == "7")`,
}

// unaffordable are expressions whose worst case is too much work.
var unaffordable = []string{
	`labels.all(a, labels.all(b, labels.all(c, a + b != c)))`,
	`labels.all(k, labels[k].matches("(a|aa)*b"))`,
	`close_text.matches("(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)(.*)x")`,
	and(2, `close_text.contains(closed_by)`),
	and(60, `labels == labels`),
	and(20, `timestamp(peer_identity) < closed_at`),
	and(30, `connected_at.getHours("Asia/Tokyo") == 1`),
	`[` + strings.TrimSuffix(strings.Repeat("labels,", 100), ",") + `].all(x, x == labels)`,
	`labels in [` + strings.TrimSuffix(strings.Repeat("labels,", 100), ",") + `]`,
	`close_text.replace("", close_text).replace("", close_text).size() == 1`,
	`labels.map(k, labels.map(j, labels[k] + labels[j])).size() == 16`,
	`close_text.split("").all(x, close_text.split("").all(y, x == y))`,
}

func TestCostIsBounded(t *testing.T) {
	for _, expr := range affordable {
		compiled(t, expr)
	}
	for _, expr := range unaffordable {
		if _, err := Compile(expr); err == nil || !strings.Contains(err.Error(), "too costly") {
			t.Errorf("Compile(%s): %v, want that it is too costly", expr, err)
		}
	}
}

// largest returns a connection whose strings and labels are as long as they can be.
func largest() *event.Connection {
	info := closed()
	info.CloseText = strings.Repeat("a", maxText)
	info.ClosedBy = strings.Repeat("a", maxText)
	info.Labels = make(map[string]string, maxLabels)
	for i := range maxLabels {
		info.Labels[fmt.Sprintf("%s%02d", strings.Repeat("k", maxLabelKey-2), i)] = strings.Repeat("a", maxLabelValue)
	}
	return info
}

// BenchmarkLargest measures the time of a unit of the cost estimate. It matches the largest connection with the
// expressions of the lists above, except those that would not end. MaxCost rests on it.
func BenchmarkLargest(b *testing.B) {
	info := largest()
	front, err := newFrontend()
	if err != nil {
		b.Fatal(err)
	}
	for i, expr := range append(affordable[:len(affordable):len(affordable)], unaffordable...) {
		b.Run(fmt.Sprintf("%d:%.40s", i, strings.ReplaceAll(expr, "/", "|")), func(b *testing.B) {
			source := newFlatSource(expr)
			parsed, _ := front.parser.Parse(source)
			tree, _ := checker.Check(parsed, source, front.checker)
			estimate, err := estimateCost(front.env, tree)
			if err != nil {
				b.Fatal(err)
			}
			if estimate.Max > 10*MaxCost {
				b.Skip(estimate.Max)
			}
			f, err := plan(front.env, tree, expr)
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				f.MatchAt(info, noon)
			}
			b.ReportMetric(float64(estimate.Max), "units")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(estimate.Max), "ns/unit")
		})
	}
}

// TestSizesOfTLS holds that the estimate assumes 255 bytes for the TLS variables: a trusted balancer's PROXY header may
// set any text of that length.
func TestSizesOfTLS(t *testing.T) {
	for _, name := range []string{"tls_version", "tls_cipher", "tls_protocol", "tls_server_name"} {
		if size := byName[name].size; size < 255 {
			t.Errorf("%s: the estimate reckons with %d bytes; there may be 255", name, size)
		}
	}
}
