#!/bin/bash
# sbatch, with this cluster's flags for the script from slurm/site.env before those that are typed:
#   slurm/submit.sh [sbatch flags] slurm/train.sh CONFIG [key=value ...]
# QAZ_SBATCH holds flags for all scripts, QAZ_SBATCH_TRAIN, _PIPELINE, _EVAL, _DATA and _TOKENIZE those for one.
set -euo pipefail
if [ -f slurm/site.env ]; then source slurm/site.env; fi
for word in "$@"; do
    case "$word" in
        slurm/*.sh | */slurm/*.sh) script=$(basename "$word" .sh) && break ;;
    esac
done
if [ -z "${script:-}" ]; then
    echo "usage: slurm/submit.sh [sbatch flags] slurm/SCRIPT.sh ARGUMENTS..." >&2
    exit 2
fi
own="QAZ_SBATCH_${script^^}"
# shellcheck disable=SC2086
exec sbatch ${QAZ_SBATCH:-} ${!own:-} "$@"
