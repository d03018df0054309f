# What the job scripts share; sourced by them, never run. The parts: launch.sh starts the tasks, ending.sh decides what
# becomes of the job by how they ended, task.sh is one task. docs/slurm.md says how they work together.

# Under sbatch the script is a copy in Slurm's spool: the project is where sbatch was called, or QAZ_ROOT.
QAZ_ROOT="${QAZ_ROOT:-${SLURM_SUBMIT_DIR:-$PWD}}"
cd "$QAZ_ROOT" || exit 2
source slurm/site.sh
read_site
export HF_HUB_OFFLINE="${HF_HUB_OFFLINE:-1}" HF_DATASETS_OFFLINE="${HF_DATASETS_OFFLINE:-1}" TRANSFORMERS_OFFLINE="${TRANSFORMERS_OFFLINE:-1}"
export QAZ_ROOT QAZ_RUN_IN="${QAZ_RUN_IN:-}"
export QAZ_PYTHON="${QAZ_PYTHON:-${QAZ_VENV:-$QAZ_ROOT/.venv}/bin/python}"
if [ -z "$QAZ_RUN_IN${QAZ_SRUN_FLAGS:-}" ] && [ ! -x "$QAZ_PYTHON" ]; then  # in a container it lies where we cannot look
    echo "no $QAZ_PYTHON; run 'make setup' in $QAZ_ROOT, or set QAZ_VENV in slurm/site.env" >&2
    exit 2
fi
if [ -z "${SLURM_JOB_ID:-}" ]; then
    echo "usage: sbatch $0 ...; the job scripts run under Slurm alone" >&2
    exit 2
fi
source slurm/ending.sh
source slurm/launch.sh

need_config() {  # need_config USAGE ARGUMENTS...: the first argument is the config
    # In a chain Python says that it is not there, and notes it for `qaz status`.
    if [ $# -lt 2 ] || { [ ! -f "$2" ] && [ -z "${QAZ_LINK:-}" ]; }; then
        echo "usage: sbatch $1; no config file '${2:-}' in $QAZ_ROOT" >&2
        exit 2
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
