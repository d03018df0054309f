# make setup   create .venv with pinned packages        make demo    the main job on embedded text, then where its report lies
# make check   lint, format, types                      make test    all tests
# make slurm-test   the job scripts on a Slurm of two nodes on this machine, struck by faults: root, slurm-wlm and munge
# make clean   remove .venv and runs/demo

PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install $(PIP_ARGS) --quiet --constraint constraints.txt
RUN := HF_HUB_OFFLINE=1

.PHONY: setup demo test slurm-test check format clean

setup: $(READY)

# torch goes first and alone: pinned, so that no other package draws a newer build of it. DeepSpeed ships as source and
# looks for torch while it is built, which only works outside an isolated build.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}; try: make PYTHON=python3.11 setup")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) setuptools wheel ninja
	$(PIP) "torch==2.13.0"
	$(PIP) --no-build-isolation deepspeed
	$(PIP) --editable ".[dev,bench]"
	@$(BIN)/python -m pip --disable-pip-version-check check
	@touch $@

demo: setup
	$(RUN) $(BIN)/qaz run configs/demo.yaml run_dir=runs/demo

test: setup
	$(RUN) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --durations=30

slurm-test: setup
	scripts/slurm_test.sh

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) runs/demo
