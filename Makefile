# Every target does its own set-up, in .venv. PYTHON=/path/to/python chooses the interpreter.

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
READY := .venv/.ready
# Test processes side by side; each computes with one thread.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test check bench docs constraints clean

help:  ## This list
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /	/' | expand -t 14

demo: $(READY)  ## The whole road on real handwritten digits, for all four tasks: look, train, evaluate, predict
	$(BIN)/striate demo --out demo

test: $(READY)  ## The tests; CI=1 adds the slowest ones
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(if $(CI),--slow)

check: $(READY)  ## Style, formatting and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(READY)  ## Striate beside its peers on the same work; prints ratios
	$(BIN)/python -m benchmarks

docs: $(READY)  ## Write the generated pages of docs/ anew
	$(BIN)/python docs/generate.py

constraints: $(READY)  ## Resolve constraints.txt anew, newest versions that fit together
	$(BIN)/python -m uv pip compile --upgrade --universal --python-version 3.11 --all-extras --no-header \
		--no-annotate --quiet pyproject.toml -o constraints.txt

clean:  ## Remove the environment, caches and what the demo wrote
	rm -rf .venv demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): pyproject.toml constraints.txt .ci/prepare
	@PYTHON="$(PYTHON)" sh .ci/prepare
	@touch $(READY)
