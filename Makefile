# What one can do here. `make` alone lists it; the steps themselves are in .ci/.

VERSION ?= $(shell git describe --tags --dirty 2>/dev/null || echo 0.1.0-dev)
WORKER  ?= examples/hello-php
ARGS    ?=
# The version says where a binary came from; stamping it with git's state as well fails in a checkout of another user.
BUILD   := -trimpath -buildvcs=false

.PHONY: help serve test test-windows quick long ecosystem chaos trials build release image api bench fuzz lint setup clean

help:
	@echo 'make serve   build, then serve examples/hello-php on http://127.0.0.1:8080/'
	@echo '             (WORKER=examples/app-php serves another one; ARGS="--dev" adds flags)'
	@echo 'make test    everything that a change must pass: gofmt, go vet, Go, PHP, end to end'
	@echo 'make quick   the same for the edit loop: nothing end to end, and no package whose code has not changed'
	@echo 'make long    the tests that make test has in a short form, whole: large bodies, chaos'
	@echo 'make ecosystem  programs of gRPC, Connect, chi, gin, echo, scs, gorilla and coder, unmodified, behind the host'
	@echo 'make chaos   a minute of faults at random under load, connections that outlive reloads, and the same of three hosts (CHAOS_TIME=5m CHAOS_SEED=7)'
	@echo 'make test-windows  run the host for Windows under Wine, which Debian has'
	@echo 'make build   write bin/host'
	@echo 'make release write dist/: binaries for each system, .deb, .rpm, SBOMs, checksums (VERSION=1.2.3)'
	@echo 'make image   write a container image of the .deb that make release has left in dist/ (VERSION=1.2.3)'
	@echo 'make api     write dist/sdk-php.html, the API of the PHP SDK (VERSION=1.2.3)'
	@echo 'make trials  how often canaries are right: simulated by the thousand, and real ones (TRIALS=20)'
	@echo 'make bench   measure beside nginx + php-fpm; ARGS=--connections measures long-lived connections, ARGS=--reload a reload under load, ARGS=--takeover what clients notice of it beside other servers, ARGS=--streams answers that the host fetches, ARGS=--waiting what many requests cost that wait at once'
	@echo 'make fuzz    run each fuzz target for FUZZTIME=20s'
	@echo 'make lint    gofmt, go vet, staticcheck, php -l; types for macOS, FreeBSD and Windows'
	@echo 'make setup   install what serve, test and bench need, from Debian packages'
	@echo 'make clean   remove what these targets wrote'

serve: build
	@.ci/setup serve
	@exec bin/host serve $(ARGS) $(if $(wildcard $(WORKER)/host.toml),-c $(WORKER)/host.toml,$(WORKER))

test:
	@.ci/setup test
	@.ci/test

quick:
	@.ci/setup test
	@.ci/test quick

test-windows:
	@.ci/setup windows
	WINDOWS_TESTS=1 go test ./host/internal/e2e/windows -count=1 -v -timeout 8m

long: chaos ecosystem
	@.ci/setup long
	.ci/release-test
	.ci/packages-test
	.ci/packages-live
	cd examples/caddy-module && go test ./...
	LONG_TESTS=1 go test ./host/internal/e2e/... ./host/internal/listen -skip '^(TestChaos|TestReloadClosesNo|TestReloadsOfGo)' -count=1 -timeout 60m

trials:
	@.ci/setup test
	LONG_TESTS=1 go test ./host/internal/canary -run 'Fine|Worse' -count=1 -v -timeout 60m
	TRIALS=$${TRIALS:-20} go test ./host/internal/e2e/canary -run AreRight -count=1 -v -timeout 180m

ecosystem:
	cd host/internal/e2e/ecosystem && go test -count=1 ./...

chaos:
	@.ci/setup test
	CHAOS_TIME=$${CHAOS_TIME:-60s} go test ./host/internal/e2e/chaos -run '^(TestChaos|TestReloadClosesNo|TestReloadsOfGo)' -count=1 -v -timeout 30m
	CHAOS_TIME=$${CHAOS_TIME:-60s} go test ./host/internal/e2e/cluster -run '^(TestChaos|TestMessagesReach)' -count=1 -v -timeout 30m

build:
	@mkdir -p bin
	go build $(BUILD) -ldflags "-X github.com/workerhost/workerhost/host/internal/cli.version=$(VERSION)" -o bin/host ./host

release:
	.ci/release $(VERSION) dist

image:
	.ci/image $(VERSION) dist

api:
	@.ci/setup serve
	@mkdir -p dist
	.ci/sdk-api $(VERSION) >dist/sdk-php.html

bench: build
	@.ci/setup bench
	@go build $(BUILD) -o bin/bench ./host/internal/bench
	@exec bin/bench $(ARGS)

fuzz:
	@.ci/fuzz $(ARGS)

lint:
	@.ci/test lint staticcheck

setup:
	@.ci/setup serve test bench

clean:
	rm -rf bin dist .cache sdk-php/.phpunit.cache sdk-php/.phpunit.result.cache
