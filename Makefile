# SPDX-License-Identifier: Apache-2.0
# Each target does its own set-up; Python 3.11 to 3.13 with venv, and make, are enough.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test test-browser test-contracts test-chain check soak mutation bench lock clean
unexport PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONOPTIMIZE

# The first interpreter that really runs, is of a supported version, and can make environments.
SUITABLE := import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c '$(SUITABLE)' 2>/dev/null && echo $$p && break; done)

BIN := .venv/bin
PIP := -m pip --disable-pip-version-check -qq
# The stamp carries the folder's place, so that a copied .venv is built anew and not trusted.
PLACE := $(shell pwd -P | cksum | cut -d ' ' -f 1)
STAMP := .venv/ready-$(PLACE)
PEERS_STAMP := .venv/peers-$(PLACE)
# Peers that need older libraries than the tests do, and so an environment of their own.
EXCHANGE_STAMP := .venv-exchange/ready-$(PLACE)
# The vault's compiler, libraries and EVM; the tests of the package need none of them.
CHAIN_STAMP := .venv-chain/ready-$(PLACE)
CHAIN := .venv-chain/bin/python
WORKERS ?= 2

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

demo: $(STAMP)  ## A hedged book through a generated crisis, under Tidegate and plain rules
	@$(BIN)/tidegate demo

test: $(STAMP)  ## Run the tests, without the long ones
	@HYPOTHESIS_PROFILE=ci $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal tests

# Debian's own, since it needs no registry; adding it takes root.
need_chromium = command -v chromium >/dev/null || \
	{ [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get -qq update >/dev/null && \
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium \
	>/dev/null && command -v chromium >/dev/null; } || { echo 'make: found no chromium and' \
	'cannot add it; as root: apt-get install --no-install-recommends chromium' >&2; exit 1; }

test-browser: $(STAMP)  ## Open every page that a command writes in headless Chromium (Debian's)
	@$(need_chromium)
	@HYPOTHESIS_PROFILE=ci TIDEGATE_SCREENSHOTS=build/pages \
		$(BIN)/python -m pytest -q -m browser tests/browser

test-contracts: $(CHAIN_STAMP)  ## Compile the vault's contracts and try them in an EVM (SOAK=1: for hours)
	@HYPOTHESIS_PROFILE=$(if $(SOAK),soak,ci) $(CHAIN) -m pytest -q -n $(WORKERS) \
		-m 'contracts and $(if $(SOAK),soak,not soak)' tests/contracts

NODE := $(CURDIR)/build/npm
need_npm = command -v npm >/dev/null || { echo 'make: found no npm; install Node.js 20 or newer' \
	'with npm 10 or newer' >&2; exit 1; }

test-chain: $(CHAIN_STAMP)  ## The vault on real protocols: anvil and their packages come from npm
	@$(need_npm)
	@$(CHAIN) -m tidegate.venues.chain.npm $(NODE)
	@HYPOTHESIS_PROFILE=ci $(CHAIN) -m pytest -q -n $(WORKERS) -m 'chain and not soak' tests/chain

check: $(STAMP)  ## Lint, format, types, and the order of the rooms
	@$(BIN)/ruff check --output-format concise .
	@$(BIN)/ruff format --check --output-format concise .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo

soak: $(STAMP)  ## Try the promises for MINUTES=N in all; without MINUTES the whole, for hours
	@TIDEGATE_SOAK_MINUTES=$(MINUTES) HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -q -rfE \
		-n $(WORKERS) --dist worksteal -m 'soak and not contracts' \
		$$(grep -rl '^@pytest.mark.soak' tests)

ROOMS ?= risk ledger execution journal margin
mutation: $(STAMP)  ## Count the wrong changes that tests notice (ROOMS=..., MINUTES=20 for each)
	@for room in $(ROOMS); do \
		nice $(BIN)/python -m tests.mutation --room $$room --minutes $(or $(MINUTES),20) || exit 1; \
	done

bench: $(STAMP)  ## Run every benchmark; the peers measured beside ours are added to .venv first
	@$(MAKE) --no-print-directory $(PEERS_STAMP) || echo 'Not every peer can be added here;' \
		'the benchmark lists those that are missing.' >&2
	@$(MAKE) --no-print-directory $(EXCHANGE_STAMP) || echo 'The peers of the exchange cannot be' \
		'added here; its benchmark lists them as missing.' >&2
	@$(MAKE) --no-print-directory $(CHAIN_STAMP) || echo 'The EVM cannot be added here; the gas' \
		'of the vault is not measured.' >&2
	@ls benchmarks/*.py >/dev/null 2>&1 || echo 'No benchmark is here yet.'
	@for file in $$(ls benchmarks/*.py 2>/dev/null); do \
		echo "== $$file"; python=$(BIN)/python; \
		case $$file in *exchange*) test -e $(EXCHANGE_STAMP) && python=.venv-exchange/bin/python;; \
			*vault*) test -e $(CHAIN_STAMP) && python=$(CHAIN);; esac; \
		$$python "$$file" || exit 1; done

# The oldest supported Python chooses, so that what it pins runs on the newer ones too.
PIN := CUSTOM_COMPILE_COMMAND='make lock' .venv-lock/bin/pip-compile --quiet --upgrade \
	--generate-hashes --allow-unsafe --strip-extras --no-emit-options \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host

lock:  ## Pin every dependency anew, with hashes; the peers apart, in requirements-bench.lock
	@python3.11 -m venv --clear .venv-lock
	@.venv-lock/bin/python $(PIP) install 'pip-tools>=7.4'
	@$(PIN) --extra dev --output-file requirements.lock pyproject.toml
	@$(PIN) --extra bench --constraint requirements.lock \
		--output-file requirements-bench.lock pyproject.toml
	@$(PIN) --extra bench-exchange --output-file requirements-bench-exchange.lock pyproject.toml
	@$(PIN) --extra vault --extra compile --extra try \
		--output-file requirements-chain.lock pyproject.toml contracts/pyproject.toml
	@rm -rf .venv-lock

clean:  ## Remove the environment, builds and caches
	@rm -rf .venv .venv-exchange .venv-chain .venv-lock build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis \
		.import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

need_python = $(or $(PYTHON),false) -c '$(SUITABLE)' 2>/dev/null || { \
	echo 'make: found no Python 3.11, 3.12 or 3.13 with venv; name one with PYTHON=...' >&2; \
	exit 1; }

$(STAMP): requirements.lock pyproject.toml
	@$(call need_python)
	@echo 'Setting up .venv (once, some minutes) ...' >&2
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python $(PIP) install --require-hashes -r requirements.lock
	@$(BIN)/python $(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(PEERS_STAMP): requirements-bench.lock $(STAMP)
	@echo 'Adding the peers to .venv (once, a minute) ...' >&2
	@$(BIN)/python $(PIP) install --require-hashes -r requirements-bench.lock
	@touch $@

$(EXCHANGE_STAMP): requirements-bench-exchange.lock $(STAMP)
	@$(call need_python)
	@echo 'Setting up .venv-exchange (once, some minutes) ...' >&2
	@$(PYTHON) -m venv --clear .venv-exchange
	@.venv-exchange/bin/python $(PIP) install --require-hashes -r requirements-bench-exchange.lock
	@.venv-exchange/bin/python -c 'import pathlib, site; \
		pathlib.Path(site.getsitepackages()[0], "tidegate.pth").write_text("$(CURDIR)/src\n")'
	@touch $@

$(CHAIN_STAMP): requirements-chain.lock contracts/pyproject.toml
	@$(call need_python)
	@echo 'Setting up .venv-chain (once, some minutes) ...' >&2
	@$(PYTHON) -m venv --clear .venv-chain
	@$(CHAIN) $(PIP) install --require-hashes -r requirements-chain.lock
	@$(CHAIN) $(PIP) install --no-deps --no-build-isolation -e . -e contracts
	@touch $@
