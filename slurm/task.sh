#!/bin/bash
# One task of a job, started by srun: `qaz ARGUMENTS...`, and its exit code in a file where the batch script reads it, since
# srun's own code does not say which task ended first, nor how each did.
trap : TERM USR1 HUP  # signals are for Python; this shell only waits for it
if [ ! -d "$QAZ_JOB_STATE" ]; then
    echo "node $SLURMD_NODENAME does not see $QAZ_JOB_STATE: set QAZ_STATE_DIR in slurm/site.env to a folder that all nodes see" >&2
    exit 2
fi
export RANK=$SLURM_PROCID  # all else Python reads from Slurm's own variables
# shellcheck disable=SC2086
$QAZ_RUN_IN "$QAZ_PYTHON" -m qaz_llm "$@"
code=$?
ended="$QAZ_JOB_STATE/exit-$QAZ_RESTART-$RANK"
echo "$code ${EPOCHREALTIME//[^0-9]/} $SLURMD_NODENAME" > "$ended.part" && mv "$ended.part" "$ended"
exit "$code"
