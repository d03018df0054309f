# How a job starts its tasks and waits for them; sourced by common.sh.
#   count_tasks              sets QAZ_TASKS, QAZ_CPUS (of each task) and QAZ_GPUS (of each node)
#   launch COMMAND...        runs `qaz COMMAND...` as QAZ_TASKS tasks, and ends the job as ending.sh decides

# A signal that meets this shell is noted; launch passes it on to the tasks. The scripts set the trap in their first line.
QAZ_TOLD="${QAZ_TOLD:-}"

least_cpus() {  # the fewest processors that this job has on one of its nodes; Slurm says for instance 16(x2),8
    tr ',' '\n' <<<"$SLURM_JOB_CPUS_PER_NODE" | sed 's/(.*//' | sort -n | head -n 1
}

count_tasks() {
    local nodes="${SLURM_JOB_NUM_NODES:-1}" per_node
    QAZ_GPUS="${SLURM_GPUS_ON_NODE:-0}"
    if [ -n "${SLURM_NTASKS:-}" ]; then  # asked for: --ntasks or --ntasks-per-node
        QAZ_TASKS=$SLURM_NTASKS
    elif [ -n "${QAZ_TASKS_PER_NODE:-}" ]; then
        QAZ_TASKS=$((QAZ_TASKS_PER_NODE * nodes))
    elif [ "$QAZ_GPUS" -gt 0 ]; then
        QAZ_TASKS=$((QAZ_GPUS * nodes))
    else
        QAZ_TASKS=$nodes
    fi
    per_node=$(((QAZ_TASKS + nodes - 1) / nodes))
    QAZ_CPUS="${SLURM_CPUS_PER_TASK:-$(($(least_cpus) / per_node))}"
    if [ "$QAZ_CPUS" -lt 1 ] && [ -n "${SLURM_NTASKS:-}" ]; then QAZ_CPUS=1; fi  # tasks that were asked for have one each
    if [ "$QAZ_CPUS" -lt 1 ]; then
        echo "$per_node tasks on a node, and $(least_cpus) processors for them: ask for more, for instance --cpus-per-gpu=8" >&2
        exit 2
    fi
}

need_gpus() {  # refuse a job that would leave the GPUs of its nodes idle because nobody asked for them
    local gres
    gres=$(sinfo -h -N -n "$SLURM_JOB_NODELIST" -o %G | grep -o 'gpu:[^,(]*' | head -n 1)
    if [ -n "$gres" ] && [ "$QAZ_GPUS" -eq 0 ] && [ -z "${QAZ_WITHOUT_GPUS:-}" ]; then
        echo "node $SLURMD_NODENAME has $gres, and this job asked for none: sbatch --gpus-per-node=${gres##*:} --cpus-per-gpu=8 ... (or" \
            "QAZ_SBATCH_TRAIN in slurm/site.env and slurm/submit.sh in place of sbatch); QAZ_WITHOUT_GPUS=1 does without" >&2
        exit 2
    fi
}

notice() {  # how many seconds the tasks of a job that was told to stop may go on: 0, unless it was told far too early
    # The scripts ask Slurm for a TERM two minutes before the end. A job that has little more than that in all gets it as it
    # starts, and would be stopped each time before its tasks have begun: it goes on until an eighth of its time is left.
    local fields start end left=0
    fields=$(timeout 4 scontrol show job --oneliner "$QAZ_JOB" 2>/dev/null)
    start=$(time_of StartTime "$fields") end=$(time_of EndTime "$fields")
    if [ "$QAZ_TOLD" = TERM ] && [ -n "$start" ] && [ -n "$end" ] && [ $((end - start)) -le 240 ]; then
        left=$((end - (end - start) / 8 - $(date +%s)))
    fi
    echo $((left > 0 ? left : 0))
}

time_of() {  # time_of FIELD FIELDS: a time that scontrol shows, in seconds since 1970; nothing where it shows none
    local shown
    shown=$(grep -o " $1=[0-9][^ ]*" <<<"$2" | cut -d = -f 2)
    if [ -n "$shown" ]; then date -d "$shown" +%s; fi
}

pass_on() {  # pass_on PID SECONDS: in so many seconds tell the tasks to stop, until srun has ended; at first there may be no tasks
    local at=$((SECONDS + $2))
    # A job that is about to be requeued makes scancel wait, and signal it when it is back: it gets no time for that.
    while kill -0 "$1" 2>/dev/null; do
        if [ "$SECONDS" -ge "$at" ]; then timeout 4 scancel --quiet --signal=USR1 "$QAZ_JOB" 2>/dev/null; fi
        sleep 5
    done
}

launch() {
    local flags=(--kill-on-bad-exit=1 --ntasks="$QAZ_TASKS" --cpus-per-task="$QAZ_CPUS") srun passing="" code left
    if [ "$QAZ_TASKS" -gt 1 ]; then
        export MASTER_ADDR="${MASTER_ADDR:-$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)}"
        export MASTER_PORT="${MASTER_PORT:-$((29500 + SLURM_JOB_ID % 20000))}"
    fi
    # Each task sees all GPUs that the job has on its node and takes its own by rank, however they were asked for. No --gpu-bind:
    # with `none` Slurm names them to nobody, and tasks see those of other jobs where devices are not kept apart (22.05).
    if [ "$QAZ_GPUS" -gt 0 ]; then flags+=(--gpus-per-node="$QAZ_GPUS"); fi
    export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$QAZ_CPUS}"
    if [ -n "$QAZ_TOLD" ] && [ "$(notice)" -eq 0 ]; then end_job 143; fi
    # srun takes what it is told here and nothing from sbatch's flags, which differ from version to version. Of signals it
    # hears nothing: told to stop, it would kill the tasks that are saving.
    (
        trap '' TERM USR1 HUP
        unset SLURM_CPUS_PER_TASK SLURM_CPUS_PER_GPU SLURM_TRES_PER_TASK SLURM_GPUS_PER_TASK SLURM_GPUS_PER_NODE SLURM_GPUS SLURM_GPU_BIND
        # shellcheck disable=SC2086
        exec setsid srun "${flags[@]}" ${QAZ_SRUN_FLAGS:-} "$QAZ_ROOT/slurm/task.sh" "$@"
    ) &
    srun=$!
    while true; do
        if [ -n "$QAZ_TOLD" ] && [ -z "$passing" ]; then
            left=$(notice)
            echo "job $QAZ_JOB: told to stop by SIG$QAZ_TOLD; telling its tasks$([ "$left" -eq 0 ] || echo " in $left s, as its time limit is short")"
            pass_on "$srun" "$left" &
            passing=$!
        fi
        wait "$srun"
        code=$?
        if [ "$code" -le 128 ] || ! kill -0 "$srun" 2>/dev/null; then break; fi
    done
    if [ -n "$passing" ]; then kill "$passing" 2>/dev/null; fi
    end_job "$code"
}
