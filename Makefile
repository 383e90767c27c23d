# make run    set up, index the corpus, serve the page and the endpoint
# make test   set up, then the whole test suite
# make check  format, lint, types, floors
# Settings are environment variables (see README); PYTHON names the interpreter, PIP_ARGS adds to pip's arguments.

PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test check clean
.DELETE_ON_ERROR:

run: $(VENV)/run.stamp
	@$(BIN)/otvet serve --index

test: $(VENV)/dev.stamp
	$(BIN)/pytest

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) build *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Otvet needs Python 3.11 to 3.13, $$($(PYTHON) --version) is neither; try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_ARGS) -e .
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_ARGS) -e '.[dev]'
	@touch $@ $(VENV)/run.stamp
