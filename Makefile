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

upload: $(STAMP) ## Upload FILE=… to the running API; started again, it sends only what is missing
	@test -n "$(FILE)" || { echo "Say which file: make upload FILE=manual.pdf"; exit 1; }
	@$(PY) examples/upload.py "$(FILE)"

migrate: $(STAMP) ## Migrate the database of DATABASE_URL
	$(PY) -m db.migrate

seed: $(STAMP) ## Load the story's test data into the running stack's database
	@test -f .dev/env || { echo "Start the stack first: make run"; exit 1; }
	set -a && . ./.dev/env && set +a && $(PY) -m db.seed

.PHONY: test-browser types-page
test-browser: .venv/.browser ## The upload page in Chromium (CHROMIUM=…), with pictures in .dev/screenshots
	@test -n "$${CHROMIUM:-$$(command -v chromium || command -v chromium-browser || command -v google-chrome)}" || { \
	  echo "There is no Chromium: apt install chromium, or say where one is: CHROMIUM=/path/to/it make test-browser"; exit 1; }
	$(PY) -m pytest tests/browser

BROWSER_PACKAGES := tests/browser/requirements.txt
.venv/.browser: $(STAMP) $(BROWSER_PACKAGES)
	@$(PY) -m pip install --quiet --disable-pip-version-check -r $(BROWSER_PACKAGES)
	@touch $@

types-page: ## The page's JavaScript, by its JSDoc types (needs npm)
	npx --yes -p typescript@5.9.3 tsc --checkJs --noEmit --strict --target es2022 --module es2022 \
	  --lib es2023,dom,dom.iterable public/*.js

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
