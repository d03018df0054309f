#!/bin/bash
# All stages of a `qaz run` config on one node:  sbatch [--gpus-per-node=1 --cpus-per-gpu=12] slurm/pipeline.sh CONFIG [key=value ...] [--from STAGE]
# Finished stages are skipped, and a training goes on from its checkpoint, so the job goes on after any interruption.
#SBATCH --job-name=qaz-run
#SBATCH --nodes=1
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%j.out
QAZ_TOLD=""; trap 'QAZ_TOLD=TERM' TERM; trap 'QAZ_TOLD=USR1' USR1; trap 'QAZ_TOLD=HUP' HUP
set -uo pipefail
source "${QAZ_ROOT:-${SLURM_SUBMIT_DIR:-.}}/slurm/common.sh"
need_config "slurm/pipeline.sh CONFIG [key=value ...] [--from STAGE]" "$@"
begin_job
count_tasks
need_gpus
launch run "$1" "data.workers=$QAZ_CPUS" "${@:2}"
