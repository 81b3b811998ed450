# Verbs only. `make` alone lists them.
# Any Python from 3.11 on will do: `make setup PYTHON=/path/to/python3`.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& command -v $$name && break; done)
BIN := .venv/bin
SEEDS ?= $(if $(SEED),1,200)
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup demo test check format sim bench docs lock clean

help: ## list the verbs
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1|/' \
	| while IFS='|' read -r verb text; do printf '%-14s %s\n' "$$verb" "$$text"; done

setup: .venv/.ready ## prepare .venv (does nothing when it is up to date)

demo: setup ## something alive on screen, no keys [DATA=file] [INSTRUMENT=name]
	$(BIN)/bulkhead demo $(if $(DATA),--data $(DATA)) $(if $(INSTRUMENT),--instrument $(INSTRUMENT))

test: check ## check, then every test [ARGS="-k name"]
	$(BIN)/python -m pytest $(ARGS)

check: setup ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## rewrite the code in the one style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

sim: setup ## fault simulator [SEEDS=200] [SEED=first]
	$(BIN)/bulkhead sim --seeds $(SEEDS) $(if $(SEED),--first-seed $(SEED))

bench: setup ## tick to order through real processes, against bare sockets
	$(BIN)/bulkhead bench chain --json

docs: setup ## write what is generated: pages in docs/, schemas, dashboards
	$(BIN)/python -m services.lab.contract_pages
	$(BIN)/python -m services.lab.market_figures

clean: ## remove .venv, caches and build output (keeps runs/)
	rm -rf .venv .venv-lock build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache \
		.hypothesis .import_linter_cache
	find proto_schemas shared services tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A new lock file means a new environment, so that nothing stays which the lock does not name.
.venv/.locked: requirements/dev.txt
	@test -n "$(PYTHON)" || { echo "Bulkhead needs Python 3.11 or newer and found none." \
		"Install one, or say where it is: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is no" \
		"Python 3.11 or newer. Say where one is: make setup PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual" \
		"environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(PIP) install --quiet --require-hashes -r requirements/dev.txt
	@touch $@

.venv/.ready: .venv/.locked pyproject.toml
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Locks are made on 3.11, the oldest Python we run on, without the maker's own pip settings, so that
# the hashes are those of every published wheel and source archive.
LOCK = env -u PIP_FIND_LINKS -u PIP_INDEX_URL -u PIP_EXTRA_INDEX_URL PIP_CONFIG_FILE=/dev/null \
	CUSTOM_COMPILE_COMMAND="make lock" .venv-lock/bin/pip-compile --quiet --no-config $(UPGRADE) \
	--generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock: ## rewrite requirements/*.txt from pyproject.toml [UPGRADE=--upgrade]
	python3.11 -m venv --clear .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	$(LOCK) --output-file requirements/runtime.txt pyproject.toml requirements/build.in
	$(LOCK) --output-file requirements/dev.txt --extra dev --extra data --constraint requirements/runtime.txt \
		pyproject.toml requirements/build.in
	rm -rf .venv-lock
