# make study: install, and search the digits (real images, no download). make test: every kind
# of test, on samples where there are many of a kind. make test-all: on all of them.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: study test test-all clean

study: .venv/.installed
	$(BIN)/skipsearch run examples/digits.toml

test-all: FULL := --full
test test-all: .venv/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --numprocesses 2 --dist worksteal $(FULL)

.venv/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/.installed-test: pyproject.toml .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,postgres,export]'
	touch $@

clean:
	rm -rf .venv build *.egg-info
