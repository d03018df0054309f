#!/bin/bash
# Turn the text of a training config into packed rows, without GPUs and before the training:
#   sbatch slurm/tokenize.sh CONFIG [key=value ...]                    on one node
#   sbatch --array=0-15 slurm/tokenize.sh CONFIG [key=value ...]       on sixteen; the job that ends last puts the parts together
# Every job, and the training afterwards, gets the same config and overrides. Rows lie in the config's data.cache_dir (by
# default RUN_DIR/packed), which all nodes have to see. Submit it again after a failure: what is done is not done twice.
#SBATCH --job-name=qaz-tokenize
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
need_config "slurm/tokenize.sh CONFIG [key=value ...]" "$@"
begin_job
count_tasks
arguments=("$1" "data.workers=$QAZ_CPUS" "${@:2}")
export OMP_NUM_THREADS=1  # as many processes as cores, each with one thread
share_of_array
echo "job $QAZ_JOB on $SLURMD_NODENAME: qaz data tokenize ${arguments[*]}"
launch data tokenize "${arguments[@]}"
