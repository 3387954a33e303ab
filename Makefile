# Two commands: `make demo` shows the main job, `make test` checks it all. Each sets up what it needs.

PYTHON ?= python3.11
VENV ?= .venv
BIN = $(VENV)/bin
MUSIC ?=
PORT ?= 8000

.PHONY: demo test check setup setup-dev clean

demo: setup
	$(BIN)/hybridrec demo --port $(PORT) $(if $(MUSIC),--music "$(MUSIC)")

test: check
	$(BIN)/python -m pytest

check: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy hybridrec api datasets

setup: $(VENV)/.server

setup-dev: $(VENV)/.dev

$(VENV)/.server: pyproject.toml constraints.txt | $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[server]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

$(VENV):
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not here; install Python 3.11 (Debian: apt-get install python3.11 python3.11-venv) or name yours: make PYTHON=python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist *.egg-info hybridrec-demo
