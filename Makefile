# `make run` and `make test` do all the set-up themselves. `make help` lists the rest.

PY := .venv/bin/python
STAMP := .venv/.installed
# The Python that the environment was made with may have been removed, by an upgrade of it.
$(shell test -x .venv/bin/python || rm -f $(STAMP))
# What was said to make itself: shells export an ENV for other purposes, which is no file name.
given = $(if $(filter command,$(firstword $(origin $1))),$($1))
TESTS := .venv/.tests
# Without --no-user, a pip.conf with `user = true` keeps pip from installing anything into an environment.
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --no-user
# Installs for one make at a time: a second one, in another terminal, would change .venv under the first. It waits for
# a lock on this file, which ends with its holder, and finds the work done.
ALONE = -c 'import fcntl, signal, subprocess, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); lock = open("Makefile"); \
  fcntl.flock(lock, fcntl.LOCK_EX); sys.exit(subprocess.call(sys.argv[1:]))' sh -c
IS_DONE = test -z "$$(find $^ -newer $@ 2>&1)"
CHROMIUM_FOUND = $${CHROMIUM:-$$(command -v chromium || command -v chromium-browser || command -v google-chrome)}

# A proxy of the caller's cannot reach what runs on this machine. (Without make: `deploy/shell.py`.)
BYPASSED := $(or $(no_proxy),$(NO_PROXY))
export no_proxy := $(if $(filter *,$(BYPASSED)),*,$(BYPASSED),localhost,127.0.0.1)
export NO_PROXY := $(no_proxy)
# What a shell sets for another Python would keep ours from its own modules, from ending, or put packages elsewhere.
unexport PYTHONHOME PYTHONPATH PYTHONSAFEPATH PYTHONEXECUTABLE PYTHONPLATLIBDIR PYTHONINSPECT __PYVENV_LAUNCHER__ \
  PIP_CONSTRAINT PIP_DRY_RUN PIP_PREFIX PIP_PYTHON PIP_ROOT PIP_TARGET PIP_USER

.DEFAULT_GOAL := help
.PHONY: help run upload example-uppy seed migrate doctor redoc test lint types types-page check size test-reliability torture soak \
  test-localstack test-oidc test-pgbouncer test-browser test-browsers build test-vercel vercel-dev test-vercel-dev \
  api-changes http proof bench requirements audit clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 25

# --- The product, on this machine and deployed

run: $(STAMP) ## The API on http://localhost:3000 (PORT=…), with an embedded database and S3 store
	@exec $(PY) -m dev.run $$PPID

upload: $(STAMP) ## Upload FILE=… (else a sample of 32 MB) to the running API; again after a crash: what is missing
	@$(if $(call given,FILE),true,false) || test -f .dev/sample.pdf || { mkdir -p .dev && \
	  head -c 32000000 /dev/urandom > .dev/sample.new && mv .dev/sample.new .dev/sample.pdf; }
	@$(PY) examples/upload.py $(if $(call given,FILE),"$$FILE",.dev/sample.pdf)

example-uppy: $(STAMP) ## An Uppy app on http://localhost:5173 (PORT=…; needs npm), beside ALLOWED_ORIGINS=http://localhost:5173 make run
	@exec $(PY) -m examples.uppy.serve

seed: $(STAMP) ## Load the story's test data into the running stack's database
	@test -f .dev/env || { echo "Start the stack first: make run"; exit 1; }
	@# without what libpq reads by itself, of another project's database
	set -a && . ./.dev/env && set +a && unset $$(env | sed -n 's/^\(PG[A-Z]*\)=.*/\1/p') && $(PY) -m db.seed

migrate: $(STAMP) ## Migrate the database of DATABASE_URL_DIRECT, or of DATABASE_URL
	$(PY) -m db.migrate

doctor: $(STAMP) ## Check a deployment: the environment's, ENV=.env.production, or the running stack
	@$(PY) -m deploy.doctor $(if $(call given,ENV),"$$ENV")

redoc: $(STAMP) ## Write public/redoc/, which shows the API at /api.html, from the pinned package (needs npm)
	$(PY) -m dev.redoc

# --- Tests

# Each of the WORKERS has a database, a store and a server of its own.
AT_ONCE = -n $(or $(call given,WORKERS),2)
FILES_AT_ONCE = $(AT_ONCE) --dist loadfile
TESTS_AT_ONCE = $(AT_ONCE) --dist worksteal

test: $(TESTS) ## All tests that need nothing but Python, on databases and stores of their own, WORKERS=2 files at once
	$(PY) -m pytest $(FILES_AT_ONCE)

lint: $(TESTS) ## ruff
	.venv/bin/ruff check . && .venv/bin/ruff format --check .

types: $(TESTS) ## mypy, strict; the handlers one by one, because Vercel's names are no module names
	$(PY) -m mypy
	find api -name '*.py' -print0 | xargs -0 -n1 $(PY) -m mypy

types-page: $(STAMP) ## The page's JavaScript, by its JSDoc types (needs npm)
	$(PY) -m dev.npm typescript tsc --checkJs --noEmit --strict --target es2022 --module es2022 \
	  --lib es2023,dom,dom.iterable public/*.js public/upload-client/*.js

check: lint types test ## All three

size: $(TESTS) ## Functions over 40 lines, files over 300, modules without a docstring (it informs, and never fails)
	@$(PY) -m tests.house.size

audit: $(STAMP) ## Known vulnerabilities in what is pinned (pip-audit, npm audit), where their data can be reached
	@$(PY) -m dev.audit

test-reliability: $(TESTS) ## Every crash point with real kills, a thousand fuzzed calls, load, interrupts (minutes)
	$(PY) -m pytest $(TESTS_AT_ONCE) tests/reliability tests/dev tests/clients -m long

torture: $(TESTS) ## Tens of thousands of random calls against a model (SEED=… repeats a run)
	@seed=$${SEED:-$$(date +%s)}; echo "SEED=$$seed repeats this run"; \
	  $(PY) -m pytest tests/reliability -m torture --hypothesis-seed=$$seed

soak: $(TESTS) ## 200 clients with faults for MINUTES=5
	MINUTES=$(or $(MINUTES),5) $(PY) -m pytest tests/reliability -m soak -s

test-localstack: $(TESTS) ## The scenarios on LocalStack, in an environment of its own, instead of SeaweedFS
	@echo "Installing LocalStack into .dev/localstack-venv (once) …" && $(PY) -m tests.support.environments localstack
	$(PY) -m pytest $(FILES_AT_ONCE) --store=localstack tests/scenarios tests/service/test_faults.py tests/s3/test_store_differences.py

test-oidc: $(TESTS) ## Keyless production on LocalStack's STS (make test has it on SeaweedFS's)
	@echo "Installing LocalStack into .dev/localstack-venv (once) …" && $(PY) -m tests.support.environments localstack
	$(PY) -m pytest --store=localstack tests/localstack

test-pgbouncer: $(TESTS) ## The scenarios on PostgreSQL 15 behind PgBouncer (apt-get install postgresql-15 pgbouncer)
	$(PY) -m pytest $(FILES_AT_ONCE) --database=pgbouncer tests/scenarios tests/hosted tests/postgres/test_limits.py

test-browser: .venv/.browser ## The upload page in Chromium (CHROMIUM=…), with pictures in .dev/screenshots
	@test -n "$(CHROMIUM_FOUND)" || { \
	  echo "There is no Chromium: apt install chromium, or say where one is: CHROMIUM=/path/to/it make test-browser"; exit 1; }
	$(PY) -m pytest $(TESTS_AT_ONCE) tests/browser

test-browsers: .venv/.browser ## The page in Firefox and WebKit (apt-get install firefox-esr webkit2gtk-driver xvfb)
	$(PY) -m pytest tests/browsers

.venv/.browser: requirements/browser.txt $(TESTS)
	@$(PY) $(ALONE) '$(IS_DONE) || { $(PIP) -r $< && touch $@; }'

# --- Vercel's own build and runtime (Node and Python 3.12)

build: $(TESTS) ## The real `vercel build` in a copy of the tree, and a check of what it made
	@$(PY) -m dev.vercel.build
	$(PY) -m pytest --server=vercel tests/scenarios/vercel/test_build.py

test-vercel: $(TESTS) ## The scenarios over the built functions, under Vercel's runtime, and over one for all routes
	@$(PY) -m dev.vercel.build --if-changed
	$(PY) -m pytest $(FILES_AT_ONCE) --server=vercel tests/scenarios
	$(PY) -m pytest $(FILES_AT_ONCE) --server=vercel-one tests/scenarios

vercel-dev: $(STAMP) ## The real `vercel dev` in this checkout (PORT=3001), beside a running `make run`
	@exec $(PY) -m dev.vercel.dev

test-vercel-dev: $(TESTS) ## Every route over `vercel dev`, which is slow
	$(PY) -m pytest --server=vercel-dev --timeout=900 tests/scenarios/vercel_dev

# --- Evidence

api-changes: $(STAMP) ## What breaks clients since the version in docs/openapi, by our comparison and Optic's (needs npm)
	@$(PY) -m dev.api_changes

http: $(TESTS) ## The requests of __http__/ against `make run`, or a stack of their own where it does not run
	@$(PY) -m tests.evidence.http_files

proof: $(TESTS) ## Write docs/proof.md from real requests, responses and rows
	@$(PY) -m tests.evidence.proof
	@$(PY) -m tests.evidence.examples

bench: .venv/.bench ## Measure everything, and write docs/benchmarks.md (six minutes; nothing else should run)
	@$(PY) -m benchmarks.run

.venv/.bench: requirements/bench.txt $(TESTS)
	@$(PY) $(ALONE) '$(IS_DONE) || { $(PIP) -r $< && touch $@; }'

# --- Packages: requirements/*.in are written by hand, the rest by this

COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --no-config --custom-compile-command "make requirements" $(if $(UPGRADE),--upgrade)

requirements: $(STAMP) ## Compile requirements/*.in, with every version pinned and hashed (UPGRADE=1: newer ones)
	@$(COMPILE) requirements/functions.in -o requirements.txt
	@for name in run test browser bench localstack clients; do \
	  $(COMPILE) requirements/$$name.in -o requirements/$$name.txt || exit 1; done

# Whether a running stack holds the lock of .dev (dev/stack.py).
IN_USE = import fcntl, sys, pathlib; p = pathlib.Path(".dev/lock"); \
  p.exists() and fcntl.flock(p.open(), fcntl.LOCK_EX | fcntl.LOCK_NB)

clean: ## Remove the environment and the local data
	@for made in .dev .venv; do test ! -e $$made || test -w $$made || { \
	  echo "$$made is another user's: remove it as that user."; exit 1; }; done
	@python3 -c '$(IN_USE)' 2>/dev/null || { echo "The stack is running, and uses .dev: stop make run first."; exit 1; }
	@# As root, the database may live outside of the checkout: see dev/postgres.py
	@test ! -f .dev/state.json || \
	  rm -rf "/var/tmp/upload-sessions-$$(sed -n 's/.*"marker": "\([0-9a-f]*\)".*/\1/p' .dev/state.json)"
	@test ! -f .env || ! grep -q '^# Written by `make run`' .env || rm .env
	rm -rf .venv .dev

# The Python that Vercel runs the functions on, else the first of at least 3.11. One that really runs: a version
# manager's shim may be there and refuse. An environment without pip is one that was interrupted half-way.
$(STAMP): requirements/run.txt
	@for python in python3.12 python3 python3.14 python3.13 python3.11; do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	test -n "$$found" || { echo "Python 3.11 or newer is needed, and was not found."; exit 1; }; \
	exec $$found $(ALONE) '$(IS_DONE) || { $(PY) -m pip --version >/dev/null 2>&1 || "$$0" -m venv --clear .venv || { rm -rf .venv; \
	  echo "Python could not make .venv. If it lacks its venv module (Debian, Ubuntu): apt install python3-venv"; exit 1; }; \
	  echo "Installing the packages into .venv (once) …" && $(PIP) -r $< && touch $@; }' $$found

$(TESTS): requirements/test.txt $(STAMP)
	@$(PY) $(ALONE) '$(IS_DONE) || { echo "Installing the packages of the tests into .venv (once) …" && $(PIP) -r $< && touch $@; }'
