# Three commands: `make demo`, `make test` and `make bench`. Each sets up .venv by itself, once.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
  "$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
# `make test STRICT=1` (CI): a browser that is missing is a failure, not a skip
STRICT ?=
DEMO_DIR := demo
# how long `make bench` compares generators, beside its other measurements
MINUTES ?= 20

.PHONY: help demo test lint bench clean
.DEFAULT_GOAL := help

help: ## Show these lines
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

demo: $(VENV)/.demo-installed ## Run the demonstration (about 90 s) and write demo/report.html
	@mkdir -p $(DEMO_DIR)
	@$(BIN)/locust -f locustfiles/demo.py --headless --only-summary --swarm local --lamb 2.5 --seed 42 -s 10 \
	  --autoscale target-utilisation --min-replicas 1 --max-replicas 4 \
	  --autoscale-interval 2 --autoscale-window 6 --scale-in-stabilization 10 \
	  --warm-up 5 --settle 25 --slo 500ms:95% --store sqlite:///$(DEMO_DIR)/demo.db --report $(DEMO_DIR)/report.html

test: lint ## Check the code and run all tests
	@SWARM_EXT_REQUIRE_ALL=$(STRICT) $(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/.test-installed ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "some files are not formatted: run $(BIN)/ruff format ."; exit 1; }
	@$(BIN)/mypy

bench: $(VENV)/.test-installed ## Measure the generator beside others (about 45 min), renew docs/performance.md
	@PATH="$$PATH:/usr/sbin" $(BIN)/python -m benchmarks --minutes $(MINUTES)

clean: ## Remove what make made
	rm -rf $(VENV) $(DEMO_DIR) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv"; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "Python's venv module is needed: apt-get install python3-venv"; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)"
	@"$(PYTHON)" -m venv $(VENV)

# the constraints hold what was tested together; where they cannot be met (another Python), say so instead of guessing
$(VENV)/.demo-installed: $(VENV)/bin/pip pyproject.toml constraints.txt
	@echo "Installing swarm-ext and what its demonstration needs"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[reports]'
	@touch $@

$(VENV)/.test-installed: $(VENV)/bin/pip pyproject.toml constraints.txt
	@echo "Installing swarm-ext and what its tests need"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@ $(VENV)/.demo-installed
