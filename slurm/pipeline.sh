#!/bin/bash
# All stages of a `qaz run` config on one node:  sbatch slurm/pipeline.sh CONFIG [key=value ...] [--from STAGE]
# Finished stages are skipped, so the same command goes on after an interruption.
#SBATCH --job-name=qaz-run
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%j.out
set -uo pipefail
source "${QAZ_ROOT:-$SLURM_SUBMIT_DIR}/slurm/common.sh"
need_config "$@"
set -- "$1" "data.workers=${SLURM_CPUS_PER_TASK:-1}" "${@:2}"
srun bash -c '
    trap : TERM USR1  # the signals are for Python; this shell only waits for it
    "$QAZ_PYTHON" -m qaz_llm run "$@"
    code=$?
    # 143: ended by the signal in a stage that has no checkpoint; what it finished is kept, and it goes on from there
    if [ "$code" -eq 75 ] || [ "$code" -eq 143 ]; then touch "$QAZ_REQUEUE_FILE"; fi
    exit "$code"' qaz "$@"
code=$?
requeue_if_stopped
exit "$code"
