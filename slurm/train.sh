#!/bin/bash
# Train on one node or many:  sbatch [-N 2 ...] slurm/train.sh CONFIG [key=value ...]
# One task per GPU. Two minutes before the time limit, or on preemption, every task gets SIGTERM, the run saves a
# checkpoint, and the job goes back into the queue; there it goes on from the checkpoint.
#SBATCH --job-name=qaz-train
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=8
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=12
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%j.out
set -uo pipefail
source "${QAZ_ROOT:-$SLURM_SUBMIT_DIR}/slurm/common.sh"
need_config "$@"

export MASTER_ADDR="${MASTER_ADDR:-$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)}"
export MASTER_PORT="${MASTER_PORT:-$((29500 + SLURM_JOB_ID % 20000))}"

# Each task learns its rank from Slurm; RANK and its like are what torch, accelerate and DeepSpeed read.
srun --kill-on-bad-exit=1 bash -c '
    trap : TERM USR1  # the signals are for Python; this shell only waits for it
    export RANK=$SLURM_PROCID WORLD_SIZE=$SLURM_STEP_NUM_TASKS LOCAL_RANK=$SLURM_LOCALID
    export LOCAL_WORLD_SIZE=$((SLURM_STEP_NUM_TASKS / SLURM_STEP_NUM_NODES))
    "$QAZ_PYTHON" -m qaz_llm train "$@"
    code=$?
    if [ "$code" -eq 75 ]; then touch "$QAZ_REQUEUE_FILE"; fi
    exit "$code"' qaz "$@"
code=$?
requeue_if_stopped
exit "$code"
