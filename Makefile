# One command per chore; continuous integration runs `make test` and nothing else.
# PYTHON=... chooses the interpreter that .venv is made with.

BIN := .venv/bin
STAMP := .venv/.installed

help: ## list the chores
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 14

setup: $(STAMP) ## make .venv from the locked list and install this package into it

$(STAMP): requirements/dev.txt requirements/setup.sh pyproject.toml
	@PYTHON="$(PYTHON)" sh requirements/setup.sh $(STAMP)

demo: setup ## train, evaluate and report on synthetic images; the files land in demo/
	$(BIN)/python -m breakhis demo demo

test: lint ## lint, then the default test suite, a process a core and at most four
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

lint: setup ## ruff, its formatter and mypy
	$(BIN)/python -m ruff check
	$(BIN)/python -m ruff format --check
	$(BIN)/python -m mypy

slow: setup ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

bench: setup ## measure speed next to its peers and write docs/benchmarks.md; BENCH="--data DATA --weights FILE"
	$(BIN)/python -m breakhis bench --out docs/benchmarks.md $(BENCH)

model: setup ## build the model that ships: make model DATA=BreaKHis_v1 WEIGHTS=densenet121.h5
	$(BIN)/python tools/build_model.py $(DATA) --weights $(WEIGHTS)

lock: setup ## renew requirements/dev.txt from pyproject.toml (wheels only, hashed, no index address)
	$(BIN)/uv pip compile pyproject.toml --extra train --extra export --group dev \
	  --universal --python-version 3.11 --only-binary :all: --generate-hashes \
	  --no-emit-index-url --no-header --no-annotate --quiet --output-file requirements/dev.txt

.PHONY: help setup demo test lint slow bench model lock
