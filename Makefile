# Short names of the commands that are run most; .github/CONTRIBUTING.md says when to run which. Nothing needs make.
.PHONY: quick test ci gen fmt bench

quick: # before each commit: build, vet, lint, unit tests
	.ci/quick

test: # all tests
	go test ./...

ci: # what a change must pass before it lands; Linux, root
	.ci/run

gen: # gen/ from proto/
	go tool -modfile=.ci/tools/go.mod buf generate

fmt: # goimports on every module
	.ci/lint fmt

bench: # Go benchmarks: make bench PACKAGES=./gateway/event BENCH=Append; beside other servers: gateway/compare
	go test -run '^$$' -bench '$(or $(BENCH),.)' $(or $(PACKAGES),./...)
