# The one entry for people and CI alike. `make help` lists the targets.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
# RULES is what `make test` adds: what is skipped there counts as failed.
PYTEST = $(BIN)/python -m pytest $(RULES)
# What `make test` takes away: the fast tests are all of them there.
FAST = -m "not slow"
SOURCES := inspector/envinspect inspector/ansible_collections benchmarks/envbench reports/envreport tools tests docs/analyses.ipynb
# The newest Python that will do; Debian 12 has 3.11.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null 2>&1 && $$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

E2E_PARTS = $(patsubst tests/e2e/test_%.py,%,$(wildcard tests/e2e/test_*.py))
BARE = bookworm trixie

.DEFAULT_GOAL := help

##@ Use it

.PHONY: bench
bench: setup ## set everything up, say where this machine runs, time containers against VMs, write the report
	@$(BIN)/envinspect
	@echo
	@$(BIN)/envbench startup $(ARGS)

.PHONY: test
test: setup provision-tests platforms ## set everything up and pass all tests, those on real engines included
	@$(MAKE) --no-print-directory --keep-going check e2e RULES=--skips-fail FAST=

.PHONY: setup
setup: python provision venv artefacts

.PHONY: provision
provision: ## install engines, QEMU and libvirt from the distribution's packages and start their daemons
	@PYTHON=$(PYTHON) benchmarks/provision.sh

.PHONY: provision-tests
provision-tests:
	@tests/e2e/provision.sh

.PHONY: platforms
platforms:
	@tests/e2e/provision.sh platforms trixie

.PHONY: stop
stop: ## stop the daemons that provisioning started
	@benchmarks/provision.sh stop

.PHONY: python
python:
	@if [ -z "$(PYTHON)" ]; then benchmarks/python.sh; fi

.PHONY: artefacts
artefacts: venv ## get guest kernels, whole userlands and foreign binaries into the user's cache (nothing is installed)
	@$(BIN)/envbench fetch all || echo "artefacts: some could not be had; runs say what they then leave out" >&2

.PHONY: venv
venv: $(VENV)/.installed ## install the project and its development tools into .venv

$(VENV)/.installed: pyproject.toml | python
	@python=$$($(MAKE) --no-print-directory -s which-python) && test -n "$$python" || { echo "no Python 3.11 or newer with venv: apt-get install python3 python3-venv" >&2; exit 1; }; \
	test -x $(BIN)/python || "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "venv: installing the project and its tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --editable '.[bench,parquet]' --group dev
	@$(BIN)/python -m pip install --quiet --editable '.[libvirt]' 2>/dev/null || echo "venv: libvirt-python could not be built (needs libvirt-dev, pkg-config, gcc): the libvirt backend stays off" >&2
	@touch $@

.PHONY: which-python
which-python:
	@echo $(PYTHON)

##@ Develop

.PHONY: check
check: venv format-check lint types contracts test-fast ## the fast subset, without what is marked slow: no root, no engine, about a minute and a half

.PHONY: format
format: venv ## format the code
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix-only --quiet $(SOURCES)

.PHONY: format-check
format-check: venv
	@$(BIN)/ruff format --check --quiet $(SOURCES) || { echo "not formatted: make format" >&2; exit 1; }

.PHONY: lint
lint: venv ## ruff, spelling, the project's own metadata and workflows
	@$(BIN)/ruff check --quiet $(SOURCES) noxfile.py tools
	@$(BIN)/typos
	@$(BIN)/validate-pyproject pyproject.toml >/dev/null
	@$(BIN)/jactionlint
	@$(BIN)/zizmor --offline --quiet .github action.yml

.PHONY: types
types: venv ## mypy, strict; the end-to-end tests and measurements: that what they call is there
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/mypy --no-error-summary --config-file tests/e2e/mypy.ini tests/e2e/*.py tests/e2e/environments tests/perf

.PHONY: contracts
contracts: venv ## who may import whom
	@$(BIN)/lint-imports --no-logo 2>/dev/null | tail -n 3

.PHONY: test-fast
test-fast: venv ## unit tests, captured systems, properties, golden outputs
	@$(PYTEST) -q -n auto $(FAST) $(ARGS)

.PHONY: coverage
coverage: venv ## branch coverage of the fast tests; docs/coverage.md explains what is not reached
	@$(PYTEST) -q -n auto --cov --cov-report=term:skip-covered --cov-report=html:dist/coverage $(ARGS)

.PHONY: pythons
pythons: venv ## the fast tests on every Python from 3.9 to 3.14; one that cannot be had is named and fails
	@PATH="$$(tools/pythons.sh):$$PATH" $(BIN)/nox $(ARGS)

.PHONY: e2e
e2e: venv provision-tests $(if $(PART),,platforms) ## everything that needs a real engine, on the real engines; PART=NAME runs one part (tests/e2e/README.md)
	@test -z "$(PART)" || test -e "tests/e2e/test_$(PART).py" || { echo "no part $(PART); the parts are: $(E2E_PARTS)" >&2; exit 2; }
	@$(PYTEST) -q --engines $(if $(PART),tests/e2e/test_$(PART).py,tests/e2e -m "not nightly") $(ARGS)

.PHONY: e2e-platforms
e2e-platforms: venv ## labs of Debian 13 and of unstable, and a Debian 13 machine; make test has those of Debian 13 and the first steps of its machine
	@tests/e2e/provision.sh platforms
	@$(PYTEST) -q --engines tests/e2e/platforms $(ARGS)

.PHONY: e2e-bare
e2e-bare: ## all of .ci/run on a bare Debian 12 and a bare Debian 13; BARE=bookworm or trixie for one of them
	@for suite in $(BARE); do tests/e2e/bare.sh $$suite || exit 1; done

.PHONY: perf
perf: venv ## speed against the peers (virt-what, hyperfine), as ratios in the same run, and what grows with rows, runs and containers; all of it rewrites docs/performance.md; ARGS=PART for one
	@tests/e2e/provision.sh peers
	@$(BIN)/python tests/perf/perf_run.py $(ARGS)

.PHONY: perf-check
perf-check: venv ## measure again and name what is slower than docs/performance.md says, beyond the intervals
	@tests/e2e/provision.sh peers
	@$(BIN)/python tests/perf/perf_run.py --check $(ARGS)

.PHONY: fuzz
fuzz: venv ## property tests at length, then coverage-guided fuzzing of the parsers and of captures
	@$(BIN)/python -m pip install --quiet --group fuzz || echo "fuzz: atheris cannot be had here; without it the inputs are random" >&2
	@HYPOTHESIS_PROFILE=thorough $(PYTEST) -q -n auto -m hypothesis tests/inspector
	@$(BIN)/python tests/fuzz/run.py $(ARGS)

.PHONY: update-gold
update-gold: venv ## rewrite the golden outputs; look at the difference before committing it
	@$(PYTEST) -q tests/reports tests/inspector --update-gold

.PHONY: docs
docs: venv ## rewrite the generated parts of docs/
	@$(BIN)/python -m tests.meta.generate

.PHONY: site
site: venv ## the documentation as a site that also opens offline: dist/site/index.html
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --clean

.PHONY: zipapp
zipapp: venv ## one file that runs with a bare Python: dist/envinspect.pyz
	@$(BIN)/python inspector/zipapp_build.py

.PHONY: build
build: venv ## the wheel and the sdist, as they are published
	@rm -f dist/envinspect-*.whl dist/envinspect-*.tar.gz
	@$(BIN)/python -m build --no-isolation --outdir dist . >/dev/null
	@$(BIN)/twine check --strict dist/envinspect-*

.PHONY: clean
clean: ## remove what was built here; caches of kernels and images stay
	@rm -rf $(VENV) .nox dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
