# `make run` and `make test` do all the set-up themselves. `make help` lists the rest.

PY := .venv/bin/python
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help run test lint types check upload migrate seed clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 22

run: $(STAMP) ## The API on http://localhost:3000 (PORT=…), with an embedded database and S3 store
	@exec $(PY) -m dev.run

test: $(STAMP) ## All tests, on a database and a store of their own
	$(PY) -m pytest

lint: $(STAMP) ## ruff
	.venv/bin/ruff check . && .venv/bin/ruff format --check .

types: $(STAMP) ## mypy, strict; the handlers one by one, because Vercel's names are no module names
	.venv/bin/mypy
	find api -name '*.py' -print0 | xargs -0 -n1 .venv/bin/mypy

check: lint types test ## All three

upload: $(STAMP) ## Upload FILE=… (else a sample of 32 MB) to the running API; again after a crash: what is missing
	@test -n "$(FILE)" || test -f .dev/sample.pdf || { mkdir -p .dev; \
	  head -c 32000000 /dev/urandom > .dev/sample.pdf; }
	@$(PY) examples/upload.py "$(or $(FILE),.dev/sample.pdf)"

migrate: $(STAMP) ## Migrate the database of DATABASE_URL
	$(PY) -m db.migrate

seed: $(STAMP) ## Load the story's test data into the running stack's database
	@test -f .dev/env || { echo "Start the stack first: make run"; exit 1; }
	set -a && . ./.dev/env && set +a && $(PY) -m db.seed

# --- Vercel's own build and runtime

.PHONY: build test-vercel vercel-dev

build: $(STAMP) ## The real `vercel build` in a copy of the tree, and a check of what it made
	@$(PY) -m dev.vercel_build
	$(PY) -m pytest --server=vercel tests/scenarios/vercel/test_build.py

test-vercel: $(STAMP) ## The scenarios over the built functions, under Vercel's runtime
	@$(PY) -m dev.vercel_build --if-changed
	$(PY) -m pytest --server=vercel tests/scenarios

# --- Benchmarks

.PHONY: bench

bench: .venv/.bench ## Measure everything, and write docs/benchmarks.md (six minutes; nothing else should run)
	@$(PY) -m benchmarks.run

.venv/.bench: requirements-bench.txt $(STAMP)
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@

clean: ## Remove the environment and the local data
	rm -rf .venv .dev

# The first Python of at least 3.11 that really runs: a version manager's shim may be there and refuse.
$(STAMP): requirements.txt requirements-dev.txt
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	test -n "$$found" || { echo "Python 3.11 or newer is needed, and was not found."; exit 1; }; \
	test -x $(PY) || $$found -m venv .venv || { rm -rf .venv; \
	  echo "Python's venv module does not work here: on Debian and Ubuntu, apt install python3-venv"; exit 1; }
	@echo "Installing the packages into .venv (once) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
