// Package fleet shows with real processes that a fleet tells the truth. Gateways with thousands of connections are
// started, killed, stopped, cut off from each other and slowed down. Meanwhile callers ask them for their connections
// and for the outcomes of requests. The package has only tests. Each asserts what a caller and the clients see, and
// logs how long it took until the truth was shown.
//
//	go test ./gateway/e2e/fleet
//	go test -v -timeout 20m ./gateway/e2e/fleet -fleet.connections 30000 -fleet.split 60s -fleet.report fleet.md
//
// With LONG_TESTS in the environment the scenes are larger, and the longest are played too. Cuts need network
// namespaces: Linux, root, and the program ip. Without them those tests are skipped, unless REQUIRE_NETNS is set.
package fleet
