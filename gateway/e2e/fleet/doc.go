// Package fleet tests with real processes that the replies and events of a fleet are true. Gateways with thousands of
// connections are started, killed, stopped, cut off from each other and slowed down. Meanwhile callers ask them for
// their connections and for the outcomes of requests. The package has only tests. Each compares replies and events with
// the view of the clients, and logs how long it took until they agreed.
//
//	go test ./gateway/e2e/fleet
//	go test -v -timeout 20m ./gateway/e2e/fleet -fleet.connections 30000 -fleet.split 60s -fleet.report fleet.md
//
// With LONG_TESTS in the environment the scenes are larger, and the longest are played too. Cuts need network
// namespaces: Linux, root, and the program ip. Without them those tests are skipped, unless REQUIRE_NETNS is set.
package fleet
