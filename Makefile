# Lumi's commands; `make help` lists them. Set-up is part of each: see deploy/local/setup_checkout.py.

PYTHON ?= python3
VENV := .venv/bin
SOURCES := $(wildcard libs/*/src services/*/src deploy/*/src clients/*/src tests/*/lumi_*)
DOMAIN_TESTS := $(wildcard libs/*/tests/unit services/*/tests/domain tests/contract)
# The slow ones first, so that no worker is left with one of them alone at the end.
ALL_TESTS := $(wildcard tests deploy/*/tests clients/*/tests services/*/tests libs/*/tests)
LOCK := $(VENV)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
  --no-emit-index-url --no-emit-find-links

MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help setup demo reconcile check-invariants test check up down status logs clean generate bench soak fuzz mutants lock \
  check-format check-types check-imports check-protos check-generated check-schema check-domain

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:
	@$(PYTHON) deploy/local/setup_checkout.py

demo: setup ## play a real grocer's year through the gateway and reconcile it to the cent; leaves the stack running
	@LUMI_BCRYPT_COST=$${LUMI_BCRYPT_COST:-4} $(VENV)/python -m lumi_local up
	@$(VENV)/python -m lumi_demo

reconcile: setup ## hold the running stack's books against the real year again
	@$(VENV)/python -m lumi_demo reconcile

check-invariants: setup ## hold the running stack's books against everything that must always be true
	@$(VENV)/python -m lumi_invariants

test: check ## everything that must pass before a change lands
	@$(PYTHON) deploy/local/setup_browser.py
	@$(VENV)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ALL_TESTS) $(DOMAIN_TESTS:%=--ignore=%)

check: setup ## lint, format, types, import contracts, protos and domain tests, in under a minute
	@$(MAKE) -j 4 --output-sync=target check-format check-types check-imports check-protos check-generated check-schema \
	  check-domain

check-format:
	@$(VENV)/ruff check --quiet . && $(VENV)/ruff format --check --quiet . && echo "✓ lint and format"

check-types:
	@$(VENV)/mypy --no-error-summary $(SOURCES) && echo "✓ types"

check-imports:
	@$(VENV)/lint-imports --no-logo --no-cache

check-protos:
	@$(VENV)/python protos/generate.py --check && $(VENV)/python protos/generate.py --lint && echo "✓ protos"

check-generated:
	@$(VENV)/python clients/python/generate.py --check && \
	  $(VENV)/python -m lumi_openapi --check && echo "✓ what is generated"

check-schema:
	@$(VENV)/python -m lumi_schema --check && echo "✓ schema reference and diagrams"

check-domain:
	@$(VENV)/python -m pytest -q -p no:cacheprovider $(DOMAIN_TESTS)

up: setup ## start the stack in the background; harmless when it runs
	@$(VENV)/python -m lumi_local up

down: setup ## stop the stack; its data stays
	@$(VENV)/python -m lumi_local down

status: setup ## how each part of the stack is doing
	@$(VENV)/python -m lumi_local status

logs: setup ## follow the stack's logs
	@$(VENV)/python -m lumi_local logs

clean: setup ## stop the stack and remove its data
	@$(VENV)/python -m lumi_local clean

generate: setup ## everything generated: protobuf Python, errors, access table, the client, OpenAPI, schema reference, ER diagrams
	@$(VENV)/python protos/generate.py
	@$(VENV)/python clients/python/generate.py
	@$(VENV)/python -m lumi_openapi
	@$(VENV)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
	  --only-binary :all: -r requirements/draw.txt
	@$(VENV)/python -m lumi_schema --draw

bench: setup ## what a call costs against the bare programs beneath it; fails below budget
	@$(VENV)/python -m lumi_bench

soak: setup ## buyers through a stack that keeps breaking, LUMI_FAULT_SECONDS long (600); a violation names its LUMI_SEED
	@LUMI_FAULT_SECONDS=$${LUMI_FAULT_SECONDS:-600} $(VENV)/python -m lumi_faults

fuzz: setup ## random messages to every method, LUMI_FUZZ_MESSAGES of them (200000); a fault names its LUMI_SEED
	@LUMI_FUZZ_MESSAGES=$${LUMI_FUZZ_MESSAGES:-200000} $(VENV)/python -m pytest -q tests/fuzz

mutants: setup ## plant bugs in a copy of the sources, one at a time: the tests must catch each
	@$(VENV)/python -m lumi_mutants

lock: setup ## resolve requirements/*.in again into hashed locks
	@cd requirements && for name in base dev draw; do \
	  ../$(LOCK) $$(sed -n 's/^\([a-z].*\)/--no-emit-package \1/p' not-needed.txt) $$name.in -o $$name.txt; \
	done
