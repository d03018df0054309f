# make setup   create .venv with pinned packages        make demo    the main job on embedded text, then where its report lies
# make check   lint, format, types                      make test    all tests but further combinations, which make test-all holds too
# make real MODEL=smollm2|gemma3   a real model learns Kazakh from the text in $QAZ_CORPUS_DIR: a night on a CPU, may be interrupted
# make slurm-test   the job scripts on a Slurm of two nodes on this machine, struck by faults: root, slurm-wlm and munge
# make clean   remove .venv and runs/demo

PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check install $(PIP_ARGS) --quiet --constraint constraints.txt
RUN := HF_HUB_OFFLINE=1

.PHONY: setup demo real real-arguments test test-all slurm-test check format clean

setup: $(READY)

# torch goes first and alone: pinned, so that no other package draws a newer build of it. DeepSpeed ships as source and
# looks for torch while it is built, which only works outside an isolated build.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, {sys.executable} is {sys.version.split()[0]}; try: make PYTHON=python3.11 setup")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) setuptools wheel ninja
	$(PIP) "torch==2.13.0"
	$(PIP) --no-build-isolation deepspeed
	$(PIP) --editable ".[dev,bench,serve,audit,gguf]"
	@$(BIN)/python -m pip --disable-pip-version-check check
	@touch $@

demo: setup
	$(RUN) $(BIN)/qaz run configs/demo.yaml run_dir=runs/demo

real-arguments:
	@test -n "$(QAZ_CORPUS_DIR)" || { echo "error: QAZ_CORPUS_DIR names no folder of real text; docs/data-sources.md says where to get it" >&2; exit 2; }
	@test "$(MODEL)" = smollm2 -o "$(MODEL)" = gemma3 || { echo "error: MODEL is '$(MODEL)'; type make real MODEL=smollm2, or MODEL=gemma3" >&2; exit 2; }

real: real-arguments setup
	$(BIN)/python scripts/real_model.py $(MODEL) models
	$(RUN) $(BIN)/qaz run configs/real_$(MODEL).yaml

test: setup
	$(RUN) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --durations=30 -m "not thorough"

test-all: setup
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
