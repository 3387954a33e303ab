# `make demo` shows the main job, `make test` checks it all. Each target sets up what it needs.

PYTHON ?= python3.11
VENV ?= .venv
BIN = $(VENV)/bin
MUSIC ?=
PORT ?= 8000
# Arguments of pytest: two processes, a file at a time, for servers and fixtures are kept by file.
PYTEST = $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile
PROCESSES ?= 2
# A None where a test expects a value fails the test by itself; answers of the API are JSON of any shape.
MYPY_TESTS = --allow-untyped-calls --no-warn-return-any $(foreach code,index operator union-attr,--disable-error-code=$(code))

.PHONY: demo test test-fast coverage check types docs examples setup setup-dev setup-docs clean

demo: setup
	$(BIN)/hybridrec demo --port $(PORT) $(if $(MUSIC),--music "$(MUSIC)")

test: check
	$(PYTEST)

test-fast: setup-dev
	$(PYTEST) --ignore tests/browser --ignore tests/api/test_generated_requests.py \
		-m "not browser and not server and not training and not slow and not data"

coverage: setup-dev
	$(PYTEST) --cov --cov-report=html --cov-report=term:skip-covered

check: setup-dev types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev
	$(BIN)/mypy hybridrec api datasets
	$(BIN)/mypy $(MYPY_TESTS) tests

docs: setup-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The console examples of the README and the tutorial, and the picture of the page.
examples: setup-dev
	$(BIN)/python scripts/readme_examples.py --folder build/examples
	$(BIN)/python scripts/page_picture.py build/examples/hybridrec-demo/library docs/images/page.png

setup: $(VENV)/.server

setup-dev: $(VENV)/.dev

setup-docs: $(VENV)/.docs

$(VENV)/.%: pyproject.toml constraints.txt | $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$*]'
	touch $@

$(VENV):
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not here; install Python 3.11 (Debian: apt-get install python3.11 python3.11-venv) or name yours: make PYTHON=python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist *.egg-info hybridrec-demo
