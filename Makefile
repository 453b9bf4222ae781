# Everything that is done with this project, each with one word. A fresh machine needs only
# Python >= 3.11, make and a package registry: every target sets up .venv from the hash-locked
# files in requirements/ when it is missing or stale, and starts at once when it is not.

PYTHON ?= python3
LOCK_HASH := $(shell cat requirements/*.txt | cksum | tr ' ' '-')
RUNTIME := .venv/ready-runtime-$(LOCK_HASH)
DEV := .venv/ready-dev-$(LOCK_HASH)
BENCH := .venv/ready-bench-$(LOCK_HASH)
INSTALL := .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
TEST_WORKERS ?= 2
# Hosts of package registries and paths of one machine; bracketed so that this line is not one.
FORBIDDEN := 'py[p]i[.]org|python[h]osted[.]org|npm[j]s[.]|debian[.]o[r]g/|(^|[^[:alnum:]_.-])/(wo[r]k|ro[o]t)(/|$$)'

.PHONY: help demo run test torture check bench setup lock
.DEFAULT_GOAL := help

help:  ## Show what can be done
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /	/'

demo: $(RUNTIME)  ## Load the demonstration network and serve API and console on 127.0.0.1:8000
	.venv/bin/ledger demo

run: $(RUNTIME)  ## Serve API and console without demonstration data
	.venv/bin/ledger serve

test: $(DEV)  ## Run every test, on a real PostgreSQL
	.venv/bin/python -m pytest -n $(TEST_WORKERS) $(ARGS)

torture: $(DEV)  ## Run the long forms of the tests of crashes, races and broken lines (about half an hour)
	LEDGER_TEST_FULL=1 .venv/bin/python -m pytest tests/adversity tests/property/test_time_machine.py -o log_cli=true --log-cli-level=INFO $(ARGS)

check: $(DEV)  ## Lint, format, types, import contracts, dead code, and what may not be tracked
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy ledger projections api tests
	.venv/bin/lint-imports --no-cache
	.venv/bin/python tests/dead_code.py
	@! git grep -nIE $(FORBIDDEN) || { echo "no registry's host and no machine's path may be tracked"; exit 1; }

bench: $(BENCH)  ## Measure this ledger against its references, alternately
	.venv/bin/ledger bench all

setup: $(RUNTIME) $(DEV)  ## Make .venv, or bring it up to date

lock: $(DEV)  ## Pin the dependencies of pyproject.toml in requirements/, with hashes
	$(COMPILE) $(UPGRADE) pyproject.toml --group dev -o requirements/dev.txt
	$(COMPILE) $(UPGRADE) pyproject.toml --group build -c requirements/dev.txt -o requirements/runtime.txt
	$(COMPILE) $(UPGRADE) --group bench -c requirements/dev.txt -o requirements/bench.txt

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv

$(RUNTIME): | .venv/bin/python
	@echo "installing requirements/runtime.txt into .venv"
	$(INSTALL) --require-hashes -r requirements/runtime.txt
	$(INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

$(DEV): | $(RUNTIME)
	@echo "installing requirements/dev.txt into .venv"
	$(INSTALL) --require-hashes -r requirements/dev.txt
	touch $@

$(BENCH): | $(DEV)
	@echo "installing requirements/bench.txt into .venv"
	$(INSTALL) --require-hashes -r requirements/bench.txt
	touch $@
