# `make run` and `make test` do all their own set-up; nothing else needs to be called first.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
UV_VERSION := 0.13.9
JOBS ?= 2
# What is compiled is kept, whatever the machine's environment says: a run starts six programs, the tests hundreds.
export PYTHONDONTWRITEBYTECODE =

.DEFAULT_GOAL := help
.PHONY: help run test check lint bench fuzz chaos screenshots clean lock

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

run: $(VENV)/.runtime ## start everything and print the address to open (ARGS="--port 8080 --no-demo")
	@exec $(PY) manage.py up $(ARGS)

test: $(VENV)/.dev ## the whole test suite with branch coverage (ARGS="-k name" for a part: no coverage then)
	@rm -f .coverage .coverage.*
	$(PY) -m pytest $(if $(ARGS),$(ARGS),-n $(JOBS) --dist loadgroup --cov --cov-report=term)

check: lint test ## what continuous integration runs

lint: $(VENV)/.dev ## style, types, migrations, API schema, import arrows
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(PY) manage.py makemigrations --check --dry-run
	$(PY) manage.py spectacular --validate --fail-on-warn --file /dev/null
	$(PY) -m pytest -q --durations=0 tests/test_layers.py

bench: $(VENV)/.dev ## ours beside peers and bare limits, as ratios (ARGS="fold store", ARGS="--quick")
	@$(PY) -m benchmarks $(ARGS)

fuzz: $(VENV)/.dev ## the API by its schema, 5,000 cases; goes on where it stopped (ARGS="--cases 20000", ARGS="--anew")
	@$(PY) -m tests.fuzz $(ARGS)

chaos: $(VENV)/.dev ## kill processes in the middle of their work, for minutes; goes on where it stopped (ARGS="--help")
	@$(PY) -m tests.chaos $(ARGS)

screenshots: $(VENV)/.dev ## pictures of the pages, desktop and phone, dark and light, into var/screenshots
	@$(PY) -m tests.browser.screenshots

lock: $(UV) ## resolve pyproject.toml into the locked requirements anew
	$(UV) pip compile -q pyproject.toml --extra embedded --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" -o requirements.txt
	$(UV) pip compile -q pyproject.toml --extra embedded --extra dev --universal --python-version 3.11 --generate-hashes \
		--custom-compile-command "make lock" -c requirements.txt -o requirements-dev.txt

clean: ## remove the environment and caches; your data in var/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis htmlcov .coverage .coverage.*
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

$(PY):
	@test -n "$(PYTHON)" || { echo "PocketQuant needs Python 3.11 or newer on the PATH (or: make PYTHON=/path/to/python3)"; exit 1; }
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "python -m venv failed. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(UV): | $(PY)
	@$(PY) -m pip install -q --disable-pip-version-check uv==$(UV_VERSION) || echo "uv could not be installed; pip will do"

# uv installs the locked files in seconds; where it cannot be had, pip reads the very same files.
define install
	@echo "Installing $(1) ..."
	@if [ -x $(UV) ] && $(UV) pip install -q --compile-bytecode --python $(PY) --require-hashes -r $(1); then :; \
	else $(PY) -m pip install -q --disable-pip-version-check --require-hashes -r $(1); fi
	@touch $@
endef

$(VENV)/.runtime: requirements.txt | $(UV)
	$(call install,requirements.txt)

$(VENV)/.dev: requirements-dev.txt | $(UV)
	$(call install,requirements-dev.txt)
	@touch $(VENV)/.runtime
