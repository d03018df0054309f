# What the job scripts share; sourced by them, never run.

# Under sbatch the script is a copy in Slurm's spool: the project is where sbatch was called, or QAZ_ROOT.
QAZ_ROOT="${QAZ_ROOT:-${SLURM_SUBMIT_DIR:-$PWD}}"
cd "$QAZ_ROOT"
if [ -f slurm/site.env ]; then source slurm/site.env; fi
QAZ_PYTHON="${QAZ_VENV:-$QAZ_ROOT/.venv}/bin/python"
if [ ! -x "$QAZ_PYTHON" ]; then
    echo "no $QAZ_PYTHON; run 'make setup' in $QAZ_ROOT, or set QAZ_VENV in slurm/site.env" >&2
    exit 2
fi
export QAZ_PYTHON
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-${SLURM_CPUS_PER_TASK:-1}}"
# From Slurm 22.05 on srun does not take this over from sbatch; where tasks are bound to cores, a task would get one.
if [ -n "${SLURM_CPUS_PER_TASK:-}" ]; then export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"; fi

need_config() {  # need_config ARGUMENTS...: the first of them is the config
    if [ $# -eq 0 ] || [ ! -f "$1" ]; then
        echo "usage: sbatch $0 CONFIG [key=value ...]; no config file '${1:-}' in $QAZ_ROOT" >&2
        exit 2
    fi
}

# A task that was told to stop, and has saved, ends with 75 (see qaz_llm/cluster/preemption.py) and leaves this file on
# the shared disk. No task ends so before the checkpoint is whole, so Slurm may kill the others then, as it does when one
# fails; its own exit code says no more than that.
export QAZ_REQUEUE_FILE="$QAZ_ROOT/.requeue-${SLURM_JOB_ID:-0}"
rm -f "$QAZ_REQUEUE_FILE"

requeue_if_stopped() {  # put this job back into the queue where its tasks were told to stop
    if [ -f "$QAZ_REQUEUE_FILE" ]; then
        rm -f "$QAZ_REQUEUE_FILE"
        echo "told to stop before the end; putting job $SLURM_JOB_ID back into the queue"
        scontrol requeue "$SLURM_JOB_ID"
        exit 0
    fi
}

share_of_array() {  # add the share of this job to `arguments`, where it is one of an array
    if [ -z "${SLURM_ARRAY_TASK_ID:-}" ]; then
        return
    fi
    if [ "$SLURM_ARRAY_TASK_MIN" -ne 0 ] || [ "$SLURM_ARRAY_TASK_MAX" -ne $((SLURM_ARRAY_TASK_COUNT - 1)) ]; then
        echo "--array has to count from 0 by ones, for instance 0-15: its size says how the input is shared out" >&2
        exit 2
    fi
    arguments+=(--share "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT")
}
