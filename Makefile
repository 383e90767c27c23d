# make run    set up, fetch the language model (1.1 GB, once), index the corpus, serve the page and the endpoint
# make test   set up, then the test suite, but for what takes minutes a test
# make test-long  that: kills, outages, restarts, a Ray cluster, random searches, accessibility; CI runs both
# make check  format, lint, types, floors; then known faults of what is installed, told where they can be looked up
# make evaluate  every figure on answers that the README gives; an hour on two cores
# make bench  embedding, builds and search over made articles, beside plain LangChain pipelines; two hours, 20 GB of disk
# make bench-load  32 clients at the endpoint, and a rebuild meanwhile; four minutes
# make bench-shared  a shared index of CHUNKS chunks, a million by default, then two replicas; two hours, 25 GB of disk
# Settings are environment variables (see README); PYTHON names the interpreter, PIP_ARGS adds to pip's arguments.

PYTHON ?= python3
PIP_ARGS ?=
# Of `make bench` and `make evaluate`: files in SQuAD format that ask the same questions in two languages; QUESTIONS may be empty
PASSAGES ?= ../shared/eval/xquad-dev.ru.json
QUESTIONS ?= ../shared/eval/xquad-dev.en.json
CHUNKS ?= 1000000
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-long check evaluate bench bench-load bench-shared clean
.DELETE_ON_ERROR:

run: $(VENV)/run.stamp
	@$(BIN)/otvet serve --pull --index

test: $(VENV)/dev.stamp
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long"

test-long: $(VENV)/dev.stamp
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m long

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/pip-audit --local --progress-spinner off --timeout 10 >$(VENV)/audit.txt 2>&1; \
	  grep -E '^(Found|No known|ERROR)|PYSEC|GHSA|CVE' $(VENV)/audit.txt || true; \
	  echo "$$(grep -c 'could not be audited' $(VENV)/audit.txt) packages could not be looked up ($(VENV)/audit.txt)"

MISSING = $(filter-out $(wildcard $(PASSAGES) $(QUESTIONS)),$(PASSAGES) $(QUESTIONS))
ifneq ($(MISSING),)
bench evaluate:
	@echo "make $@ skipped, not there: $(MISSING); give SQuAD files: make $@ PASSAGES=FILE [QUESTIONS=FILE]"
else
evaluate: $(VENV)/run.stamp
	$(BIN)/otvet models pull
	$(BIN)/python -m qa.calibrate $(PASSAGES) $(if $(QUESTIONS),--questions $(QUESTIONS)) --out $(VENV)/gate.json
	$(if $(QUESTIONS),$(BIN)/python -m qa.support_measure $(PASSAGES) $(QUESTIONS))
	$(BIN)/otvet evaluate $(PASSAGES)
	$(BIN)/otvet evaluate $(PASSAGES) --mode generative --sample 100 --seed 7
	$(if $(QUESTIONS),$(BIN)/otvet evaluate $(PASSAGES) --questions $(QUESTIONS))
	$(if $(QUESTIONS),$(BIN)/otvet evaluate $(PASSAGES) --questions $(QUESTIONS) --mode generative --sample 100 --seed 7)

bench: $(VENV)/bench.stamp
	$(BIN)/python tests/benchmarks/embedding_speed.py $(PASSAGES)
	$(BIN)/python tests/benchmarks/build_at_scale.py $(PASSAGES)
	$(BIN)/python tests/benchmarks/search_at_scale.py $(PASSAGES) $(if $(QUESTIONS),--questions $(QUESTIONS))
endif

bench-load: $(VENV)/dev.stamp
	PYTHONPATH=tests $(BIN)/python tests/benchmarks/load.py

bench-shared: $(VENV)/dev.stamp
	PYTHONPATH=tests $(BIN)/python tests/benchmarks/shared_at_scale.py --chunks $(CHUNKS)
	PYTHONPATH=tests $(BIN)/python tests/benchmarks/replicas.py

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

$(VENV)/bench.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install $(PIP_ARGS) -e '.[bench]'
	@touch $@ $(VENV)/run.stamp
