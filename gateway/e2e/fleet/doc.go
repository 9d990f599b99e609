// Package fleet shows with real processes that a fleet tells the truth: gateways that are started, killed, stopped, cut
// off from each other and slowed down, with thousands of connections, while callers list connections, make requests and
// read the outcomes. It has only tests. Each asserts the view of a caller and of the clients, and logs how long it took
// until the truth was shown.
//
//	go test ./gateway/e2e/fleet
//	go test -v -timeout 20m ./gateway/e2e/fleet -fleet.connections 30000 -fleet.split 60s -fleet.report fleet.md
//
// Cuts need network namespaces: Linux, root, and the program ip. Without them those tests are skipped, unless
// REQUIRE_NETNS is set.
package fleet
