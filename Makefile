# `make run` and `make test` are the two commands; each makes what it needs first.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# Or each process of the tests compiles the project, and pytest all tests, again.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help run test lint style types unit postgresql browser browsers chaos bench bench-quick bench-scaling screenshots messages matrix lock clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check --quiet

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

run: $(VENV)/.installed ## serve on 127.0.0.1:8000 with demo users (PORT=8001 for another port)
	@DEBUG=$${DEBUG:-1} exec $(BIN)/python manage.py run

# Two at a time, because one works while the other waits.
test: lint ## check and test everything
	@echo "== tests, two kinds at a time; each is shown when it ends"
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target SECONDS_OF_CHAOS=10 \
		browser unit postgresql chaos

# manage.py with what a production site sets, whatever else stands in the environment or in var/.
PRODUCTION = directory=$$(mktemp -d) && trap 'rm -rf "$$directory"' EXIT && \
	env -i PATH="$$PATH" VAR_DIR="$$directory" DEBUG=0 ALLOWED_HOSTS=example.com \
	SECRET_KEY=$$($(BIN)/python -c 'import secrets; print(secrets.token_urlsafe(50))') \
	$(BIN)/python manage.py

lint: $(VENV)/.installed-dev ## check style, types, layers, structure, migrations and production settings
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target types style

types: $(VENV)/.installed-dev
	@echo "== mypy"
	@$(BIN)/mypy

style: $(VENV)/.installed-dev
	@echo "== ruff"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet .
	@echo "== import-linter"
	@$(BIN)/lint-imports --no-logo
	@echo "== structure"
	@$(BIN)/python bin/structure.py
	@echo "== migrations"
	@$(PRODUCTION) makemigrations --check --dry-run
	@echo "== production settings"
	@$(PRODUCTION) check --deploy --fail-level WARNING
	@$(PRODUCTION) collectstatic --noinput

# Three processes: some tests wait for a server, and each process has to collect all tests first.
PYTEST = $(BIN)/python -m pytest -n 3

unit: $(VENV)/.installed-dev ## run the tests without a browser, on SQLite
	@echo "== tests on SQLite"
	@$(PYTEST)

postgresql: $(VENV)/.installed-dev ## run those that use the database on a PostgreSQL of their own
	@echo "== tests on PostgreSQL"
	@$(BIN)/python -m tests.support.postgres $(PYTEST) -m 'not one_database'

SECONDS_OF_CHAOS ?= 30

chaos: $(VENV)/.installed-dev ## break everything at random (SECONDS_OF_CHAOS=600 for long)
	@logs=$$(mktemp -d); runs=(); failed=0; \
	trap 'kill "$${runs[@]}" 2>/dev/null || true; rm -rf "$$logs"' EXIT; \
	for database in sqlite postgresql; do \
		$(BIN)/python -m tests.chaos --seconds $(SECONDS_OF_CHAOS) --database $$database \
			>"$$logs/$$database" 2>&1 & runs+=($$!); \
	done; \
	for run in "$${runs[@]}"; do wait $$run || failed=1; done; \
	for database in sqlite postgresql; do \
		echo "== chaos on $$database"; cat "$$logs/$$database"; \
	done; \
	exit $$failed

ROUNDS ?= 3

bench: $(VENV)/.installed-dev ## measure this project beside others, write docs/performance.md (15 minutes)
	@$(BIN)/python -m bench --rounds $(ROUNDS) $(if $(QUICK),--quick)

bench-quick: $(VENV)/.installed-dev ## fail where this project has become slower (3 minutes)
	@$(BIN)/python -m bench.quick

bench-scaling: $(VENV)/.installed-dev ## measure several processes (SCALING="--model --sockets 100000")
	@$(BIN)/python -m bench.scaling $(SCALING)

screenshots: $(VENV)/.installed-dev ## make the pictures of the docs again
	@CHROMIUM=$$(bin/browser) $(BIN)/python -m tests.browser.screenshots

messages: $(VENV)/.installed ## write the catalogs of all languages again (needs GNU gettext)
	@bin/messages

# A run of its own: Playwright's loop cannot share a process with the asynchronous tests.
browser: $(VENV)/.installed-dev ## run the tests in a real browser (CHROMIUM names one)
	@echo "== browser tests"
	@chromium=$$(bin/browser) && CHROMIUM=$$chromium $(BIN)/python -m pytest -n 3 -p no:asyncio \
		-W ignore::pytest.PytestConfigWarning tests/browser

# What Playwright can do in a Firefox that it has not changed: no page without scripts, no word of sockets.
IN_FIREFOX ?= toasts bell platform inbox preferences

browsers: $(VENV)/.installed-dev ## run what the drivers allow in Debian's Firefox and in WebKitGTK
	@bin/browsers
	@echo "== browser tests in Firefox"
	@BROWSER=firefox $(BIN)/python -m pytest -n 2 -p no:asyncio -W ignore::pytest.PytestConfigWarning \
		$(IN_FIREFOX:%=tests/browser/test_%.py) -k 'not without_javascript and not without_scripts'
	@echo "== browser tests in WebKitGTK"
	@xvfb-run -a $(BIN)/python -m pytest tests/webkit

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed. Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "This Python has no venv. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV)"
	@$(PYTHON) -m venv $(VENV)

# A stamp for each lock file: an install happens when the file has changed.
$(VENV)/.installed: requirements.lock | $(BIN)/python
	@echo "Installing requirements.lock"
	@$(INSTALL) --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	@echo "Installing requirements-dev.lock"
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-annotate --custom-compile-command "make lock" $(UPGRADE)

# Each with the newest of its Django; MATRIX="3.13-6.1 3.14-6.1" names some, TESTS some of the tests.
matrix: ## run the tests without a browser on every Python and Django (hours; MATRIX="3.13-6.1")
	@bin/matrix $(MATRIX)

lock: | $(BIN)/python ## write the lock files from requirements*.txt (UPGRADE=--upgrade for newer)
	@$(INSTALL) 'uv>=0.8,<1'
	@$(LOCK) -o requirements.lock requirements.txt
	@$(LOCK) -c requirements.lock -o requirements-dev.lock requirements-dev.txt

clean: ## remove the environment, the local database and all caches
	@rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
