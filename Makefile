# Every target does its own set-up; see tools/bootstrap.
.PHONY: setup demo test check up soak personalities bench requirements

PYTHON := .venv/bin/python
# Processes that run tests; 0 runs them in one.
WORKERS ?= 2

setup:
	@tools/bootstrap

demo: setup
	@.venv/bin/ferryman demo $(ARGS)

test: setup
	@$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

check: setup
	.venv/bin/ruff check src tests tools
	.venv/bin/ruff format --check src tests tools
	.venv/bin/mypy
	.venv/bin/lint-imports
	$(PYTHON) tools/purity.py

up: setup
	@.venv/bin/ferryman up $(ARGS)

# What takes too long for every day: all crash points with more seeds, long property runs.
soak: setup
	@FERRYMAN_SOAK=1 $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal --timeout 3600 $(ARGS)

# Every test with a simulated card, on the other two personalities; see docs/personalities.md.
personalities: setup
	@for name in recorded strict; do FERRYMAN_PERSONALITY=$$name $(PYTHON) -m pytest -n $(WORKERS) --dist worksteal \
		tests/e2e tests/crash tests/negative tests/interop $(ARGS) || exit 1; done

# Our figures beside references, in one run; ONLY=name for single rows. Writes bench/results.json.
bench: setup
	@ONLY="$(ONLY)" $(PYTHON) -m bench

# Pin what pyproject.toml asks for: names, versions and hashes, no addresses.
requirements:
	uv export --quiet --no-emit-project --no-header --all-extras --no-default-groups --no-annotate -o requirements.lock
	uv export --quiet --no-emit-project --no-header --all-extras --group dev --no-annotate -o requirements-dev.lock
	@! grep -nE '://' requirements.lock requirements-dev.lock tools/bootstrap.lock
