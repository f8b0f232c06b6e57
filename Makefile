# Two commands do everything: `make demo` and `make test`. They build .venv from the lock file when it is missing or old.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Parallel test processes: as many as cores, but training tests need about 1 GB each.
JOBS ?= 2
ROUNDS ?= 500

.PHONY: demo test lint chaos bench screenshots lock clean-demo help

help:
	@echo "make demo         a real study in the panel (headless without a terminal)"
	@echo "make test         lint, types, import rules, tests"
	@echo "make chaos        500 rounds of killing, filling, cutting: nothing may be lost"
	@echo "make bench        the figures of docs/benchmarks.md"
	@echo "make screenshots  the pictures in screenshots/, from a real run"
	@echo "make lint         lint, types and import rules only"

$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is too old: Python 3.11 or newer is needed"; exit 1; }
	@echo "building $(VENV) (a few minutes the first time)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(READY)

demo: $(READY)
	$(BIN)/htr-tui demo

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: $(READY) lint
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

bench: $(READY)
	$(BIN)/python -m benchmarks

# Real studies, disturbed in every way we know: 500 rounds by default (docs/chaos.md). ROUNDS, SEED and WORKERS change that.
chaos: $(READY)
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) $(if $(SEED),--seed $(SEED)) $(if $(WORKERS),--workers $(WORKERS))

screenshots: $(READY)
	$(BIN)/python -m benchmarks.screenshots

# Not for users: renew the lock after a change of pyproject.toml.
lock:
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra train --extra images --group test --group lint --group build \
	  --group screenshots --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-emit-find-links --no-header -o requirements/dev.txt
