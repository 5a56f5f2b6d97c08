# The two commands: `make demo` runs the main job and ends, `make test` passes the tests.
# Every target does its own set-up, pinned, inside the checkout (.local/ and target/).

.DEFAULT_GOAL := help
SHELL := /bin/bash

.PHONY: help
help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

.PHONY: clean
clean: ## Remove what was built and set up (the next make sets it up again)
	rm -rf target .local .aws-sam build
