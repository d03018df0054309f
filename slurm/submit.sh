#!/bin/bash
# sbatch, with this cluster's flags for the script from slurm/site.env before those that are typed:
#   slurm/submit.sh [sbatch flags] slurm/train.sh CONFIG [key=value ...]
# QAZ_SBATCH holds flags for all scripts, QAZ_SBATCH_TRAIN, _PIPELINE, _EVAL, _DATA and _TOKENIZE those for one.
set -euo pipefail
here=$PWD
project="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
source "$project/slurm/site.sh"
if [ -z "${QAZ_ROOT:-}" ] && [ ! -d slurm ]; then export QAZ_ROOT=$project; fi  # called from elsewhere
cd "${QAZ_ROOT:-.}"
read_site
cd "$here"
for word in "$@"; do
    case "$word" in
        -*) continue ;;
        slurm/*.sh | */slurm/*.sh) script=$(basename "$word" .sh) && break ;;
    esac
done
if [ -z "${script:-}" ]; then
    echo "usage: slurm/submit.sh [sbatch flags] slurm/SCRIPT.sh ARGUMENTS..." >&2
    exit 2
fi
own="QAZ_SBATCH_${script^^}"
own="${own//[^A-Z0-9_]/_}"
flags=()
eval "flags=(${QAZ_SBATCH:-} ${!own:-})"  # words as in a shell: a quoted comment is one
exec sbatch "${flags[@]}" "$@"
