# make study: install, and search the digits (real images, no download).
# make test: format, lint, types, and every kind of test, on samples where there are many of a kind.
# make test-all: the same on all of them. make lint: without the tests.
# make bench: the short form of each benchmark. make audit: known holes in what is installed (needs
# an advisory service: --strict fails where it skips a package).
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# CIFAR: for benchmarks/memory.py, also folder:PATH
CIFAR ?= cifar10

.PHONY: study lint test test-all bench audit clean

study: .venv/.installed
	$(BIN)/skipsearch run examples/digits.toml

lint: .venv/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test-all: FULL := --full
test test-all: lint
	$(BIN)/python -m pytest --numprocesses 3 --dist worksteal $(FULL)

bench: .venv/.installed-test
	$(PIP) --editable '.[bench]'
	$(BIN)/python benchmarks/search_quality.py --dataset cifar10 --seeds 2 --jobs 2
	$(BIN)/python benchmarks/pruning.py --seeds 3 --jobs 2
	$(BIN)/python benchmarks/survival.py --kills 3
	$(BIN)/python benchmarks/overhead.py --trials 200
	$(BIN)/python benchmarks/training.py --images 640 --rounds 2
	$(BIN)/python benchmarks/depth_attention.py --repetitions 3
	$(BIN)/python benchmarks/page.py --trials 200
	$(BIN)/python benchmarks/memory.py --trials 3 --dataset $(CIFAR)

audit: .venv/.installed-test
	$(PIP) pip-audit
	$(BIN)/python -m pip_audit --strict --skip-editable

.venv/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable .
	touch $@

.venv/.installed-test: pyproject.toml .venv/.installed
	$(PIP) --editable '.[test,postgres,export]'
	touch $@

clean:
	rm -rf .venv build src/*.egg-info
