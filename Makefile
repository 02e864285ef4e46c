# Both commands do all the set-up on a fresh machine: they need Python 3.11 or newer and a package registry.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A module is compiled when it is first imported, which takes a third off the set-up, unless Python may not store it.
COMPILE := $(if $(PYTHONDONTWRITEBYTECODE),,--no-compile)
# Test processes that may not store compiled modules compile them again and again.
export PYTHONDONTWRITEBYTECODE =

.PHONY: run test test-slow test-all coverage lint format docs wheel release-check bench clean

run: $(READY)  ## Train the notebook's two networks and print what they show
	$(BIN)/dropstudy run notebook

test: lint  ## Lint, types and the everyday tests; one test process for each core
	$(BIN)/pytest -n auto --dist worksteal -m "not slow"

test-slow: $(READY)  ## The slow tests: kills, real browsers, whole studies; they wait a lot, so one process more than cores
	$(BIN)/pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist worksteal -m slow

test-all: test test-slow  ## Everything, as CI runs it

coverage: $(READY)  ## Lines that the tests reach; takes a quarter longer than the tests
	$(BIN)/pytest --cov --cov-report=term:skip-covered

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

wheel: $(READY)  ## A wheel in dist/ for x86-64 Linux that carries the compiled training program
	rm -rf build
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(BIN)/python -m hatchling build -t wheel -d build
	$(BIN)/auditwheel repair --only-plat --patcher none -w dist build/*.whl

docs: $(READY)  ## The documentation site in build/site/; a warning, such as a link that leads nowhere, is an error
	$(BIN)/sphinx-build -q -W --keep-going -c docs/site . build/site
	@echo "Open build/site/index.html"

release-check: $(READY)  ## Builds what is released into dist/, installs it from nothing and runs the notebook; minutes
	rm -rf dist
	$(MAKE) wheel
	$(BIN)/python -m hatchling build -d dist
	rm -rf build/check && $(PYTHON) -m venv build/check
	set -e; for file in dist/*; do \
	  build/check/bin/pip install -q "$$file"; \
	  build/check/bin/pip install -q --no-deps --force-reinstall "$$file"; \
	  (cd "$$(mktemp -d)" && "$(CURDIR)/build/check/bin/dropstudy" run notebook --data digits --epochs 2 --seeds 1); \
	done
	$(PYTHON) -m venv build/tools && build/tools/bin/pip install -q --use-pep517 cffconvert twine
	build/tools/bin/cffconvert --validate
	build/tools/bin/twine check --strict dist/*

bench: $(READY)  ## Benchmarks against the peers and of each optimisation: an hour or more
	$(BIN)/pip install -q -c constraints.txt -e '.[peers]'
	$(BIN)/python benchmarks/notebook_vs_keras.py
	$(BIN)/python benchmarks/peers.py --json peers.json --chart peers
	$(BIN)/python benchmarks/waste.py
	$(BIN)/python benchmarks/scaling.py
	$(BIN)/python benchmarks/groups.py

clean:
	rm -rf $(VENV)

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): a few minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --use-pep517 $(COMPILE) -c constraints.txt -e '.[test]'
	@touch $@
