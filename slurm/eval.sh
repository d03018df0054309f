#!/bin/bash
# Evaluate a model, one task per GPU:
#   sbatch [--gpus-per-node=8 --cpus-per-gpu=12] slurm/eval.sh --model DIR_OR_HUB_ID --suite NAME --out DIR
# The tasks of a suite shared out over many jobs, and one that puts their answers together into one report:
#   array=$(sbatch --parsable --array=0-7 slurm/eval.sh --model … --suite … --out DIR)
#   sbatch --dependency=afterok:$array -J qaz-eval-merge -o slurm-%x-%j.out slurm/eval.sh --model … --suite … --out DIR
# Every job gets the same arguments. A job that has a dependency and is no array asks the model nothing, needs no GPU, and
# fails where an answer is missing. Answers are kept as they come: submitted again, a job asks for what is missing.
#SBATCH --job-name=qaz-eval
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%A_%a.out
QAZ_TOLD=""; trap 'QAZ_TOLD=TERM' TERM; trap 'QAZ_TOLD=USR1' USR1; trap 'QAZ_TOLD=HUP' HUP
set -uo pipefail
source "${QAZ_ROOT:-${SLURM_SUBMIT_DIR:-.}}/slurm/common.sh"
if [ $# -eq 0 ]; then
    echo "usage: sbatch slurm/eval.sh --model DIR_OR_HUB_ID --suite NAME --out DIR" >&2
    exit 2
fi
begin_job
count_tasks
arguments=("$@")
share_of_array
if [ -z "${SLURM_ARRAY_TASK_ID:-}" ] && [ -n "${SLURM_JOB_DEPENDENCY:-}" ]; then
    arguments+=(--merge-only)
    QAZ_TASKS=1 QAZ_GPUS=0
else
    need_gpus
fi
echo "job $QAZ_JOB on $SLURMD_NODENAME: qaz eval run ${arguments[*]}"
launch eval run "${arguments[@]}"
