#!/bin/bash
# Evaluate a model on one GPU:  sbatch slurm/eval.sh --model DIR_OR_HUB_ID --suite NAME --out DIR
#SBATCH --job-name=qaz-eval
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus-per-node=1
#SBATCH --cpus-per-task=12
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%j.out
set -euo pipefail
source "${QAZ_ROOT:-$SLURM_SUBMIT_DIR}/slurm/common.sh"
if [ $# -eq 0 ]; then
    echo "usage: sbatch slurm/eval.sh --model DIR_OR_HUB_ID --suite NAME --out DIR" >&2
    exit 2
fi
exec srun "$QAZ_PYTHON" -m qaz_llm eval run "$@"
