#!/bin/bash
# Build a corpus with many jobs: an array cleans the input, part by part, and one job puts the parts together.
#   array=$(sbatch --parsable --array=0-15 slurm/data.sh CONFIG [key=value ...])
#   sbatch --dependency=afterok:$array slurm/data.sh CONFIG [key=value ...]
# Every job is given the same config and the same overrides. Parts lie in the config's `work` folder (by default OUT/.work),
# which all nodes have to see; a job that is run again goes on with the parts that are not done. The last job fails, and
# names the parts, where one is missing. Without an array, one job does all.
#SBATCH --job-name=qaz-data
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%A_%a.out
set -euo pipefail
source "${QAZ_ROOT:-$SLURM_SUBMIT_DIR}/slurm/common.sh"
need_config "$@"
arguments=("$@" "workers=${SLURM_CPUS_PER_TASK:-1}")
export OMP_NUM_THREADS=1  # as many processes as cores, each with one thread
if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
    first="${SLURM_ARRAY_TASK_MIN:-0}"
    arguments+=(--share "$((SLURM_ARRAY_TASK_ID - first))/${SLURM_ARRAY_TASK_COUNT:?}")
elif [ -n "${SLURM_JOB_DEPENDENCY:-}" ]; then
    arguments+=(--merge-only)
fi
exec srun "$QAZ_PYTHON" -m qaz_llm data build "${arguments[@]}"
