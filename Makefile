# Every target sets up what it needs; a machine with Python 3.11 or newer and make is enough.
#
# On Linux, PyPI's torch brings several GB of CUDA libraries. Without an NVIDIA GPU, the CPU build does the same:
#   make setup TORCH_INDEX=https://download.pytorch.org/whl/cpu

VENV := .venv
PYTHON := $(VENV)/bin/python
TORCH_INDEX ?=
INSTALL := $(PYTHON) -m pip install --disable-pip-version-check -c constraints.txt \
  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.DEFAULT_GOAL := help
.PHONY: help run test test-cluster test-kills test-long test-notebooks lint docs dist setup container audit

help:
	@echo "make run     set up and open the dashboard"
	@echo "make test    set up, browser included, and run all tests"
	@echo "make test-cluster    set up Ray, and run jobs and sweeps on a cluster of two raylets on this machine"
	@echo "make test-kills    kill a hundred writers of the store; \`make test\` kills twenty"
	@echo "make test-long    trace ten million tokens, in ten minutes; \`make test\` traces a hundred thousand"
	@echo "make test-notebooks    train the notebooks' toy whole; \`make test\` trains it for a few steps"
	@echo "make docs    build the documentation site into docs/_build/html"
	@echo "make dist    build wheel and source archive into dist/"
	@echo "make lint    check format, lint and types"
	@echo "make setup   set up for development"
	@echo "make container   build the image without a Docker daemon and look whether it is shut (as root, on Debian)"
	@echo "make audit   known faults of what is installed, and its licences"

run: $(VENV)/.app
	@$(PYTHON) -m app

test: $(VENV)/.dev
	@tools/browser.sh $(PYTHON)
	@$(PYTHON) -m pytest

test-cluster: $(VENV)/.cluster
	@$(PYTHON) -m pytest tests/cluster

test-kills: $(VENV)/.dev
	@TITANSCOPE_KILLS=100 $(PYTHON) -m pytest tests/app/test_store_killed.py

test-long: $(VENV)/.dev
	@TITANSCOPE_TOKENS=10000000 $(PYTHON) -m pytest -s tests/core/test_long_trace.py

test-notebooks: $(VENV)/.dev
	@TITANSCOPE_NOTEBOOKS=whole $(PYTHON) -m pytest tests/test_notebooks.py

docs: $(VENV)/.dev
	@$(PYTHON) -m sphinx -b html -n -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

dist: $(VENV)/.dev
	@$(PYTHON) -m build --no-isolation

lint: $(VENV)/.dev
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@if test -x $(VENV)/bin/hadolint; then $(VENV)/bin/hadolint Dockerfile; else echo "no hadolint for this machine: skipped"; fi

setup: $(VENV)/.dev

container:
	@tools/container.sh

audit: $(VENV)/.dev
	@tools/audit.sh $(PYTHON)

# A stamp is older than these files when what is installed may no longer be what they ask for.
$(VENV)/.app: pyproject.toml constraints.txt | $(PYTHON)
	@echo "Installing what the dashboard needs into $(VENV); the first time this takes minutes, mostly for torch."
	@$(INSTALL) torch
	@$(INSTALL) --quiet -e ".[app]"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(PYTHON)
	@echo "Installing the dashboard and the test tools into $(VENV); the first time this takes minutes, mostly for torch."
	@$(INSTALL) torch
	@$(INSTALL) --quiet -e ".[dev]"
	@touch $@ $(VENV)/.app

$(VENV)/.cluster: $(VENV)/.dev
	@echo "Installing Ray into $(VENV): 80 MB to load, 470 MB on disk."
	@$(INSTALL) --quiet -e ".[dev,cluster]"
	@touch $@

$(PYTHON):
	@tools/venv.sh $(VENV)
