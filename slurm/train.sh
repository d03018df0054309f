#!/bin/bash
# Train on one node or many:  sbatch [-N 2 --gpus-per-node=8 --cpus-per-gpu=12 ...] slurm/train.sh CONFIG [key=value ...]
# One task per GPU that the job was given, or one per node where there are none; --ntasks-per-node says otherwise.
# Two minutes before the time limit, at a signal or on preemption the run saves a checkpoint, and the job goes back into
# the queue; so it does where a task or a node was lost (docs/slurm.md).
#SBATCH --job-name=qaz-train
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%j.out
QAZ_TOLD=""; trap 'QAZ_TOLD=TERM' TERM; trap 'QAZ_TOLD=USR1' USR1; trap 'QAZ_TOLD=HUP' HUP
set -uo pipefail
source "${QAZ_ROOT:-${SLURM_SUBMIT_DIR:-.}}/slurm/common.sh"
need_config "slurm/train.sh CONFIG [key=value ...]" "$@"
begin_job
count_tasks
need_gpus
launch train "$@"
