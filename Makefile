# PACSWeb: `make up` starts it, `make test` tests it. Nothing but Python >= 3.11, make and git has to be installed.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PYTEST := $(PY) -m pytest
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help up down logs status demo build test e2e lint format bench requirements install-local install-dev clean mutants

help:  ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F '\t' '{printf "  make %-14s %s\n", $$1, $$2}'

# Running --------------------------------------------------------------------------------------------------------------

up: install-local  ## Start everything (DETACH=1 returns when it is ready)
	@exec $(PY) -m pacsweb up --build $(if $(DETACH),--detach)

down:  ## Stop everything
	@if [ -x $(PY) ]; then exec $(PY) -m pacsweb down; else echo "nothing runs"; fi

logs:  ## Follow all logs
	@exec $(PY) -m pacsweb logs

status:  ## Show each process
	@if [ -x $(PY) ]; then exec $(PY) -m pacsweb status; else echo "PACSWeb does not run here"; exit 3; fi

demo: install-local  ## Load the demonstration content into the running PACSWeb
	@exec $(PY) -m pacsweb demo

build: install-local  ## Build the front end if its sources changed
	@$(PY) -m pacsweb build

# Checking -------------------------------------------------------------------------------------------------------------

test: install-dev  ## Run every test, browser included (ARGS="tests/access -k roles" for some)
	@$(PY) -m pacsweb build
	@$(PY) -m tests.prepare
	@$(if $(ARGS),$(PYTEST) $(ARGS),$(PY) -m tests.run)

e2e: install-dev  ## Run the browser tests
	@$(PY) -m pacsweb build
	@$(PY) -m tests.prepare
	@$(PY) -m tests.run -m e2e

lint: install-dev  ## Check style, types, floors, templates, migrations, licences, the front end
	@$(PY) -m pacsweb build
	@$(PY) .ci/lint.py $(ARGS)

format: install-dev  ## Put Python and templates into the project's form
	@$(PY) -m ruff check --fix-only --quiet . ; $(PY) -m ruff format .

bench: install-dev  ## Measure, side by side with peers
	@$(PY) -m pacsweb build
	@$(PYTEST) tests/bench -m bench -q -s -p no:cacheprovider $(ARGS)

mutants: install-dev  ## Change rules one at a time to see which no test notices (ROOM=practice SAMPLE=60)
	@$(PY) -m pacsweb build
	@$(PY) -m tests.mutants "$(ROOM)" "$(SAMPLE)"

# Installing -----------------------------------------------------------------------------------------------------------

install-local: $(VENV)/.installed-local
install-dev: $(VENV)/.installed-dev

$(VENV)/.made: requirements/tool.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "PACSWeb needs Python 3.11 or newer; set PYTHON=/path/to/python3.11 or install one." >&2; exit 1; }
	@[ -x $(PY) ] && $(PY) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| $(PYTHON) -m venv --clear $(VENV) \
		|| { echo "Python cannot make virtual environments; install its venv package (Debian: python3-venv)." >&2; exit 1; }
	@$(PY) -m pip install --quiet --require-hashes -r requirements/tool.txt
	@touch $@

$(VENV)/.installed-local: $(VENV)/.made requirements/local.txt
	@echo "installing Python packages"
	@requirements/install $(VENV) local
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made requirements/dev.txt
	@echo "installing Python packages for development"
	@requirements/install $(VENV) dev
	@touch $@ $(VENV)/.installed-local

# A pinned, hashed set for any index and any Python >= 3.11, from the lists with reasons.
COMPILE := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --no-annotate $(if $(UPGRADE),--upgrade)

requirements: $(VENV)/.made  ## Pin the requirements anew (UPGRADE=1 for newer versions)
	$(COMPILE) requirements/tool.in -o requirements/tool.txt
	$(COMPILE) requirements/dev.in -o requirements/dev.txt
	$(COMPILE) requirements/mutants.in -o requirements/mutants.txt
	$(COMPILE) requirements/base.in -c requirements/dev.txt -o requirements/base.txt
	$(COMPILE) requirements/local.in -c requirements/dev.txt -o requirements/local.txt

clean:  ## Remove what was built (not the data)
	rm -rf $(VENV) static/node_modules static/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
