# Everything that is done with this repository. Fresh machine: `sudo make demo` or `sudo make test`, no other step.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build deb demo test test-long long-tools fuzz bench lint tools cargo root clean

CARGO := scripts/cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)

help: ## what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

build: cargo ## the static binary, dist/clawgress
	@$(CARGO) build --release --locked
	@host=$$($(CARGO) rustc-host) && install -D -m 0755 $(TARGET_DIR)/$$host/release/clawgress dist/clawgress
	@ldd dist/clawgress 2>&1 | grep -q 'statically linked' \
	    || { echo 'error: dist/clawgress is not statically linked' >&2; ldd dist/clawgress >&2; exit 1; }
	@echo "dist/clawgress  $$(stat -c %s dist/clawgress | numfmt --to=iec)B, statically linked"

deb: $(if $(BINARY),,build) ## the Debian package, dist/clawgress_VERSION_ARCH.deb; BINARY=FILE packages one that is there
	@packaging/build $(or $(BINARY),dist/clawgress) dist

demo: root tools build ## the product at work, on a network of its own (needs root)
	@demo/run

test: root tools cargo ## every test, the end-to-end ones included (needs root)
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	    $(CARGO) nextest run --locked $(FEATURES); \
	else \
	    $(CARGO) test --locked --lib --bins --tests $(FEATURES); \
	fi
	@$(CARGO) test --locked --quiet --doc

test-long: export PROPTEST_CASES := 20000
test-long: export CLAWGRESS_TEST_SCALE := 20
test-long: export NEXTEST_PROFILE := long
test-long: FEATURES := --features long-tests
test-long: long-tools test ## the same with far more random cases, longer loads, clients from PyPI and npm, a browser, Java, whole systems

long-tools: root
	@scripts/long-tools $(TARGET_DIR)/long

fuzz: cargo ## looks for bytes that break a reader, FUZZ_SECONDS (20) for each
	@scripts/fuzz

bench: root tools build ## how fast it is: micro-benchmarks, then the daemon between load and nginx (needs root)
	@scripts/install-tools taskset:util-linux wrk:wrk h2load:nghttp2-client \
	    haproxy:haproxy /usr/lib/squid/security_file_certgen:squid-openssl sslsplit:sslsplit
	@$(CARGO) bench --locked --bench micro
	@load=$$($(CARGO) bench --locked --no-run --bench load --message-format=json \
	        | sed -n '/"name":"load"/s/.*"executable":"\([^"]*\)".*/\1/p' | tail -n1) \
	    && benches/lab/run --tool "$$load"

lint: cargo ## format, clippy with warnings denied, licences and bans where cargo-deny is installed
	@$(CARGO) fmt --check
	@$(CARGO) clippy --locked --all-targets --all-features --quiet -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	    $(CARGO) deny --log-level error check licenses bans sources; \
	else \
	    echo 'lint: cargo-deny is not installed: licences and bans are not checked'; \
	fi

tools: root ## installs what a fresh Ubuntu 24.04, Debian 12 or Debian 13 lacks (needs root)
	@scripts/install-tools

cargo:
	@$(CARGO) --version >/dev/null

root:
	@if [ "$$(id -u)" -ne 0 ]; then \
	    printf '%s\n' 'error: this needs root, for network namespaces and nftables' \
	        '  hint: sudo make $(or $(firstword $(MAKECMDGOALS)),test)' >&2; \
	    exit 1; \
	fi

clean: ## removes what was built
	@rm -rf dist $(TARGET_DIR)
