package filter_test

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/sockgate/sockgate/gateway/event"
	"github.com/sockgate/sockgate/gateway/filter"
	"github.com/sockgate/sockgate/gateway/server"
)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

var info = &event.Connection{
	Identity: &event.Identity{
		Origin:      &event.Origin{Node: "edge-1", Incarnation: "19ab0d3f1c2"},
		Listener:    &event.Listener{Name: "game"},
		Seq:         42,
		Remote:      netip.MustParseAddrPort("10.1.2.3:5678"),
		Local:       netip.MustParseAddrPort("10.0.0.1:8017"),
		ConnectedAt: now.Add(-time.Hour),
	},
	LastActiveAt:  now.Add(-10 * time.Minute),
	BytesReceived: 5000,
	Labels:        map[string]string{"room": "7"},
	State:         event.StateOpen,
}

// A Filter selects connections wherever the server takes a Matcher.
func Example() {
	f, err := filter.Compile(`ip_in(remote_ip, "10.0.0.0/8") && idle > duration("5m") && labels["room"] == "7"`)
	if err != nil {
		fmt.Println(err)
		return
	}
	var m server.Matcher = f
	fmt.Println(m.MatchAt(info, now))
	// Output: true
}

// An error quotes the expression and points at the fault. An *Error has the parts.
func ExampleCompile_error() {
	_, err := filter.Compile(`bytes_recieved > 1000`)
	fmt.Println(err)
	var e *filter.Error
	if errors.As(err, &e) {
		fmt.Println(e.Line, e.Column)
	}
	_, err = filter.Compile(`ip_in(remote_ip, "10.0.0.0/33")`)
	fmt.Println(err)
	if _, err = filter.Compile(`state == "open"`); errors.As(err, &e) {
		fmt.Println(e.Message)
	}
	// Output:
	// filter "bytes_recieved > 1000": 1:1: undeclared reference to 'bytes_recieved'; did you mean bytes_received?
	// 1 1
	// filter "ip_in(remote_ip, \"10.0.0.0/33\")": 1:18: "10.0.0.0/33" is not a CIDR prefix
	// "open" is no state; expected OPEN, HALF_CLOSED_REMOTE, HALF_CLOSED_LOCAL, CLOSING or CLOSED; did you mean "OPEN"?
}

// Each expression is matched against one connection. The last one fails while it runs, and therefore does not match.
func ExampleFilter_MatchAt() {
	for _, expr := range []string{
		`labels.room in ["7", "8"]`,
		`labels.tenant == "" && !has(labels.tenant)`,
		`labels.exists(k, k.startsWith("ro"))`,
		`state == "OPEN" && age >= duration("1h")`,
		`connected_at.getHours("+01:00") == 12`,
		`bytes_received / (queued_bytes - queued_bytes) == 0`,
	} {
		f, err := filter.Compile(expr)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(f, f.MatchAt(info, now))
	}
	// Output:
	// labels.room in ["7", "8"] true
	// labels.tenant == "" && !has(labels.tenant) true
	// labels.exists(k, k.startsWith("ro")) true
	// state == "OPEN" && age >= duration("1h") true
	// connected_at.getHours("+01:00") == 12 true
	// bytes_received / (queued_bytes - queued_bytes) == 0 false
}
