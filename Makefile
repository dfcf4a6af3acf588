# make app · make test · make lint · make bench · make docs: each works on a fresh clone with nothing else typed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REQUIREMENTS := $(if $(GPU),requirements-gpu.txt,requirements.txt)
ARGS ?=

.PHONY: app test lint bench docs benchmarks card ablation format clean

app: $(VENV)/.app-$(if $(GPU),gpu,cpu)
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.dev .chromium
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	$(BIN)/python -m tests.bench $(ARGS)

docs: $(VENV)/.dev
	$(BIN)/python -m docs.generate

benchmarks: $(VENV)/.dev
	$(BIN)/python -m docs.benchmarks --manifest $(MANIFEST) $(ARGS)

card: $(VENV)/.dev
	$(BIN)/python -m docs.model_card --manifest $(MANIFEST) $(ARGS)

ablation: $(VENV)/.dev
	$(BIN)/python -m docs.ablation --manifest $(MANIFEST) $(ARGS)

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# A stamp file records that its requirements are installed; a changed file installs again.
$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.app-%: requirements.txt requirements-gpu.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r $(REQUIREMENTS)
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.dev: requirements.txt requirements-dev.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@ $(VENV)/.app-cpu

# The browser of the tests: one that is installed, else Playwright's own, else Debian's package.
.PHONY: .chromium
.chromium: | $(VENV)/.dev
	@$(BIN)/python tests/browser/find_chromium.py --install

clean:
	rm -rf build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
