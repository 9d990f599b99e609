package attack

import (
	"fmt"
	"strings"
)

// The paths of methods.
const (
	service    = "/sockgate.v1.GatewayService/"
	check      = "/grpc.health.v1.Health/Check"
	watch      = "/grpc.health.v1.Health/Watch"
	reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
)

var oneAndFive, oneAndTwo = []int{1, 5}, []int{1, 2}

// All returns the attacks, in the order of their tables.
func All() []Attack {
	return []Attack{
		{Name: "incomplete", Fills: true, About: "4 MiB less 50 bytes of a request on each stream, never finished",
			Counts: oneAndFive, run: incomplete(1, 16<<10, 0)},
		{Name: "incomplete-3", Fills: true, About: "the same on three connections", Counts: oneAndFive,
			run: incomplete(3, 16<<10, 0)},
		{Name: "incomplete-whole", Fills: true, About: "whole messages of 4 MiB less 50 bytes, and no end of the stream",
			Counts: oneAndFive, run: incomplete(1, 16<<10, 50)},
		{Name: "incomplete-tiny", Fills: true, About: "the same in frames of one byte", Counts: oneAndFive,
			run: incomplete(1, 1, 0)},
		{Name: "continuation", About: "headers that never end, in CONTINUATION frames", Counts: oneAndFive,
			run: continuation},
		{Name: "headers-16k", Fills: true, About: "16 KiB of headers on each stream, never finished", Counts: oneAndFive,
			run: headers},
		{Name: "headers-reset", About: "16 KiB of headers, and a reset, again and again", Counts: oneAndFive,
			run: headersReset},

		{Name: "unread-list", Fills: true, About: "pages of 1,000 labelled rows, with a window of 0", Counts: oneAndFive,
			Labels: true, run: unread("ListConnections", still)},
		{Name: "unread-list-tcp", Fills: true, About: "the same with all windows, and TCP that is never read",
			Counts: oneAndFive, Labels: true, run: unread("ListConnections", deaf)},
		{Name: "unread-list-drip", Fills: true, About: "the same with one more byte of window a second", Counts: oneAndFive,
			Labels: true, run: unread("ListConnections", drip)},
		{Name: "unread-bans", Fills: true, About: "pages of 1,000 bans, with a window of 0", Counts: oneAndFive, Bans: true,
			run: unread("ListBans", still)},
		{Name: "unread-gateway", Fills: true, About: "GetGateway, with a window of 0", Counts: oneAndFive,
			run: unread("GetGateway", still)},
		{Name: "unread-reflection", Fills: true, About: "reflection, with a window of 0", Counts: oneAndFive,
			run: unreadReflection},
		{Name: "unread-health", Fills: true, About: "health checks, with a window of 0", Counts: oneAndFive,
			run: unreadHealth},

		{Name: "stream-filters", About: "100 event streams with 100 networks in each filter, and new connections",
			Counts: oneAndFive, run: streamFilters},
		{Name: "filters-refused", About: "filters that are refused", Counts: oneAndFive, run: filtersRefused},
		{Name: "counts", About: "300 counts at once with 100 networks in each filter", Counts: oneAndFive, run: counts},

		{Name: "data-streams", Fills: true, About: "1,000 streams of data that nobody reads", Role: Operator,
			Counts: oneAndTwo, run: dataStreams},

		{Name: "hog-connections", Fills: true, About: "all connections of the control plane", Counts: []int{1, 4},
			run: hogConnections},
		{Name: "hog-calls", Fills: true, About: "all connections of the control plane, with a call under way on each",
			Counts: []int{1, 4}, run: hogCalls},
		{Name: "hog-streams", Fills: true, About: "all event streams", Counts: []int{1, 10}, run: hogStreams},
		{Name: "hog-request-ids", Fills: true, About: "all request IDs of Broadcast", Role: Operator, Counts: []int{1},
			run: hogRequestIDs},

		{Name: "log-streams", About: "event streams that are refused", Counts: oneAndFive, run: logStreams},
		{Name: "log-large", About: "requests that are too large, by their length", Counts: oneAndFive, run: logLarge},

		{Name: "tls-stalled", Fills: true, About: "1,100 TLS handshakes from one address that go no further",
			Counts: []int{1}, run: tlsStalled},

		{Name: "flood-gateway", About: "GetGateway", Counts: oneAndFive, run: flood("GetGateway")},
		{Name: "flood-health", About: "health checks", Counts: oneAndFive, run: floodHealth},
		{Name: "flood-unauthenticated", About: "calls without a proof", Counts: oneAndFive, run: floodUnauthenticated},
		{Name: "flood-ping", About: "PING frames", Counts: oneAndFive, run: floodFrames(ping)},
		{Name: "flood-settings", About: "SETTINGS frames", Counts: oneAndFive, run: floodFrames(settings)},
		{Name: "flood-window", About: "WINDOW_UPDATE frames", Counts: oneAndFive, run: floodFrames(windowUpdate)},
		{Name: "flood-reset", About: "calls that are reset at once", Counts: oneAndFive, run: floodReset},
	}
}

// Find returns the attack of a name.
func Find(name string) (*Attack, error) {
	var names []string
	for _, a := range All() {
		if a.Name == name {
			return &a, nil
		}
		names = append(names, a.Name)
	}
	return nil, fmt.Errorf("attack %q: expected one of %s", name, strings.Join(names, ", "))
}
