#!/bin/bash
# Build a corpus with many jobs: an array cleans the input, part by part, and one job puts the parts together.
#   array=$(sbatch --parsable --array=0-15 slurm/data.sh CONFIG [key=value ...])
#   sbatch --dependency=afterok:$array -J qaz-merge -o slurm-%x-%j.out slurm/data.sh CONFIG [key=value ...]
# Every job gets the same config and overrides. Parts lie in the config's `work` folder (by default OUT/.work), which all
# nodes have to see. A job that has a dependency merges and does nothing else: it fails, and names the parts, where one is
# missing. Without array and dependency one job does all.
# After a failure: cancel the merge job, which now waits for ever, and submit both again; what is done is not done twice.
#SBATCH --job-name=qaz-data
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%A_%a.out
QAZ_TOLD=""; trap 'QAZ_TOLD=TERM' TERM; trap 'QAZ_TOLD=USR1' USR1; trap 'QAZ_TOLD=HUP' HUP
set -uo pipefail
source "${QAZ_ROOT:-${SLURM_SUBMIT_DIR:-.}}/slurm/common.sh"
need_config "slurm/data.sh CONFIG [key=value ...]" "$@"
begin_job
count_tasks
arguments=("$1" "workers=$QAZ_CPUS" "${@:2}")
export OMP_NUM_THREADS=1  # as many processes as cores, each with one thread
share_of_array
if [ -z "${SLURM_ARRAY_TASK_ID:-}" ] && [ -n "${SLURM_JOB_DEPENDENCY:-}" ]; then
    arguments+=(--merge-only)
fi
echo "job $QAZ_JOB on $SLURMD_NODENAME: qaz data build ${arguments[*]}"
launch data build "${arguments[@]}"
