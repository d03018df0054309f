#!/bin/bash
# Build corpora side by side, one config per array task, and merge them:
#   array=$(sbatch --parsable --array=0-2 slurm/data.sh wiki.yaml fineweb.yaml legal.yaml)
#   sbatch --dependency=afterok:$array slurm/data.sh all.yaml
# Each config writes to its own `out`. The merge is an ordinary build whose sources are the shards the others wrote,
#   sources: [{name: wiki, path: out/wiki/documents-*.jsonl.zst, format: jsonl, …}, …]
# since duplicates across sources are only seen together.
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
configs=("$@")
config="${configs[${SLURM_ARRAY_TASK_ID:-0}]:-}"
need_config "$config"
exec srun "$QAZ_PYTHON" -m qaz_llm data build "$config"
