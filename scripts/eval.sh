#!/bin/bash
# Score a model in kk, ru and en:  scripts/eval.sh MODEL SUITE OUT [KEY=VALUE …]
#   scripts/eval.sh runs/demo/model demo runs/eval-demo
#   QAZ_CORPUS_DIR=DIR scripts/eval.sh runs/real_small/model real_small runs/eval-real max_items=50
# The report is OUT/report.html; run again after an interruption, it goes on with the tasks that are left.
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: $0 MODEL SUITE OUT [KEY=VALUE ...]   (MODEL: a folder or hub id; SUITE: demo, real_small or all)" >&2
    exit 2
fi
QAZ="$(dirname "$0")/../.venv/bin/qaz"
if [ ! -x "$QAZ" ]; then QAZ=qaz; fi
exec "$QAZ" eval run --model "$1" --suite "$2" --out "$3" "${@:4}"
