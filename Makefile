# Everything a developer or CI runs. `make help` lists it.
PYTHON ?= python3
VENV ?= .venv
comma := ,
BIN := $(VENV)/bin
EXTRAS ?= oracle,dev
STAMP := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))
DEMO ?= demo
JOBS ?= 2

.PHONY: help demo test stories check lint types docs bench clean
.DEFAULT_GOAL := help

help:  ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@begun=$$(date +%s); set -e; \
	$(PYTHON) -m venv $(VENV); \
	$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'; \
	echo $$(($$(date +%s) - begun)) > $@

demo: $(STAMP)  ## Evolve a real kernel in a new repository, on the CPU, with no model
	@sh benchmarks/demo.sh $(abspath $(BIN))/avogit $(DEMO) $$(cat $(STAMP))

test: $(STAMP)  ## Run the tests: those that time kernels alone, the others side by side
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "not measures and not slow"
	$(BIN)/python -m pytest -m "measures and not slow"

stories: $(STAMP)  ## Run the long tests that `make test` leaves out
	$(BIN)/python -m pytest -m slow

lint: $(STAMP)  ## Style and common errors
	$(BIN)/ruff check avogit kernels tests benchmarks
	$(BIN)/ruff format --check avogit kernels tests benchmarks

types: $(STAMP)  ## Strict types
	$(BIN)/mypy

docs: $(STAMP)  ## Links, commands and options named in the docs exist
	$(BIN)/python -m pytest tests/test_docs.py

check: lint types docs test stories  ## All that CI runs

bench: $(STAMP)  ## Measure avogit itself: overhead, big lineages, A/A, many writers, throughput
	$(BIN)/python benchmarks/bench_store.py
	$(BIN)/python benchmarks/bench_repository.py
	$(BIN)/python benchmarks/bench_clones.py
	$(BIN)/python benchmarks/bench_overhead.py
	$(BIN)/python benchmarks/bench_aa.py
	$(BIN)/python benchmarks/bench_review.py
	$(BIN)/python benchmarks/bench_writers.py
	$(BIN)/python benchmarks/bench_steps.py
	$(BIN)/python benchmarks/bench_throughput.py

clean:  ## Remove what the targets made, the environment too
	rm -rf $(VENV) $(DEMO) $(DEMO)-* build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
