#!/bin/bash
# The whole of a `qaz run` config as jobs, each waiting for the one before; on a login node:
#   slurm/chain.sh CONFIG [key=value ...] [--array N] [--sbatch NAME='OPTIONS' ...] [--dry-run]
# Prints a line per job. Given again, it submits what is missing: no stage that is done, no job that waits or runs.
# docs/chain.md says what the links are, and how large each is.
set -euo pipefail
export QAZ_ROOT="${QAZ_ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)}"
cd "$QAZ_ROOT"
source slurm/site.sh
set -a  # Python reads QAZ_SBATCH and its like from the environment
read_site
set +a
exec "${QAZ_PYTHON:-${QAZ_VENV:-$QAZ_ROOT/.venv}/bin/python}" -m qaz_llm chain "$@"
