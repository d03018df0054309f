# What becomes of a job when its tasks have ended; sourced by common.sh. Exit codes decide (docs/slurm.md has the table).
#   begin_job            opens the job's state folder, and ends a job that was restarted too often without getting on
#   end_job SRUN_CODE    requeues the job, or ends it with the code that Slurm's records are to show
#
# QAZ_JOB_STATE, a folder outside the project that all nodes see, holds:
#   exit-<restart>-<rank>   "code microseconds node" of each task that has ended
#   said-<restart>          the error that the first task ended with (written by Python)
#   progress                what was last finished for good: a checkpoint, a stage, a part (written by Python)
#   restarts                a line for each: time, reason, progress, by tabs
#   bad-nodes               node and reason, by a tab: nodes that were found bad, and are left out from then on

need_number() {  # need_number NAME LEAST: the variable, where it is set, is a whole number from LEAST on
    local value="${!1-$2}"
    # What is no number makes a test of it false, and with that a limit none.
    if [[ ! $value =~ ^(0|[1-9][0-9]{0,8})$ ]] || [ "$value" -lt "$2" ]; then
        echo "$1 is '$value', and a whole number from $2 on was expected: correct it in slurm/site.env or where it is exported, or unset it" >&2
        exit 2
    fi
}

begin_job() {
    need_number QAZ_MAX_RESTARTS 0
    need_number QAZ_BACKOFF_S 0
    need_number QAZ_PATIENCE_S 0
    need_number QAZ_TASKS_PER_NODE 1
    QAZ_JOB="$SLURM_JOB_ID"
    if [ -n "${SLURM_ARRAY_JOB_ID:-}" ]; then QAZ_JOB="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"; fi  # the bare number may be all of them
    export QAZ_JOB QAZ_RESTART="${SLURM_RESTART_COUNT:-0}"
    local jobs="${QAZ_STATE_DIR:-${XDG_STATE_HOME:-$HOME/.local/state}/qaz-llm}/jobs"
    export QAZ_JOB_STATE="$jobs/$SLURM_JOB_ID"
    if [ "$QAZ_RESTART" -eq 0 ]; then rm -rf "$QAZ_JOB_STATE"; fi  # of an older job with this number
    if ! mkdir -p "$QAZ_JOB_STATE"; then
        echo "cannot write $QAZ_JOB_STATE: set QAZ_STATE_DIR in slurm/site.env to a folder that all nodes see" >&2
        exit 2
    fi
    find "$jobs" -mindepth 1 -maxdepth 1 -type d -name '[0-9]*' -mtime +60 -exec rm -rf {} +
    while [ "$(restarts)" -lt "$QAZ_RESTART" ]; do
        note_restart "requeued by Slurm (a node was lost, or it was preempted) or by a person"
    done
    if [ "$QAZ_RESTART" -gt 0 ]; then echo "job $QAZ_JOB: restart $QAZ_RESTART, after: $(cut -f 2 <<<"$(tail -n 1 "$QAZ_JOB_STATE/restarts")")"; fi
    if [ "$(in_vain)" -gt "$(max_restarts)" ]; then give_up 1; fi
}

max_restarts() { echo "${QAZ_MAX_RESTARTS:-5}"; }

progress() { cat "$QAZ_JOB_STATE/progress" 2>/dev/null || true; }

restarts() { cat "$QAZ_JOB_STATE/restarts" 2>/dev/null | wc -l; }

note_restart() { printf '%s\t%s\t%s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1" "$(progress)" >> "$QAZ_JOB_STATE/restarts"; }

in_vain() {  # how many restarts, one after another up to now, there were at the progress there is now
    if [ ! -f "$QAZ_JOB_STATE/restarts" ]; then echo 0; return; fi
    awk -F '\t' -v now="$(progress)" '{ n = ($3 == now) ? n + 1 : 0 } END { print n + 0 }' "$QAZ_JOB_STATE/restarts"
}

give_up() {  # give_up CODE
    local done limit
    done="$(progress)" limit="$(job_field TimeLimit)"
    echo "job $QAZ_JOB: $(max_restarts) restarts without getting on, at '${done:-the start}'; the reasons are in" \
        "$QAZ_JOB_STATE/restarts. QAZ_MAX_RESTARTS allows more; submitted again, it goes on from there" >&2
    if [ "$1" -eq 75 ]; then
        echo "job $QAZ_JOB: told to stop before there was anything new to save; its time limit is ${limit:-not known}," \
            "and sbatch --time=... gives it more" >&2
    fi
    exit "$1"
}

verdict() {  # verdict SRUN_CODE: done, user, failed, told, node or lost, and the reason
    local rank file
    for ((rank = 0; rank < QAZ_TASKS; rank++)); do
        file="$QAZ_JOB_STATE/exit-$QAZ_RESTART-$rank"
        if [ -f "$file" ]; then echo "$rank $(head -n 1 "$file")"; else echo "$rank"; fi
    done | awk -v srun="$1" -v told="$QAZ_TOLD" '
        function first(kind) { return !(kind in at) ? "" : "rank " rank_of[kind] " on node " node_of[kind] " ended with " code_of[kind] }
        NF != 4 || $2 !~ /^[0-9]+$/ || $3 !~ /^[0-9]+$/ { missing++; lost = lost " " $1; next }  # no file, or not a whole one
        {
            kind = $2 == 0 ? "ok" : $2 == 2 ? "user" : $2 == 69 ? "node" : $2 == 76 ? "lost" : \
                ($2 == 75 || $2 == 129 || $2 == 138 || $2 == 143) ? "told" : $2 > 128 ? "killed" : "failed"
            if (!(kind in at) || $3 < at[kind]) { at[kind] = $3; rank_of[kind] = $1; code_of[kind] = $2; node_of[kind] = $4 }
        }
        END {
            if (missing == NR) {  # no task got as far as ending
                if (srun == 2) print "user a task could not begin"
                else if (told != "" || srun == 129 || srun == 138 || srun == 143) print "told told to stop by SIG" (told == "" ? "TERM" : told) " before the tasks began"
                else print "lost srun ended with " srun ", and no task said how it ended"
            }
            else if ("user" in at) print "user " first("user")
            else if ("node" in at) print "node " first("node")
            else if ("killed" in at) print "lost " first("killed") ": killed"
            else if ("failed" in at && !("told" in at && at["told"] <= at["failed"])) print "failed " first("failed")
            else if ("lost" in at) print "lost " first("lost") ": it lost another task"
            else if (missing && (told == "" || !("told" in at))) print "lost" (missing > 1 ? " ranks" : " rank") lost " ended without a word"
            else if ("told" in at) print "told told to stop; " first("told")
            else print "done"
        }'
}

patiently() {  # patiently COMMAND...: the controller may be away for a while, or too busy to answer
    local try
    for try in 1 2 3 4 5; do
        if "$@"; then return 0; fi
        if [ "$try" -lt 5 ]; then sleep "${QAZ_PATIENCE_S:-10}"; fi
    done
    return 1
}

job_field() { patiently scontrol show job --oneliner "$QAZ_JOB" | grep -o " $1=[^ ]*" | head -n 1 | cut -d = -f 2; }

end_job() {
    local kind reason
    read -r kind reason <<<"$(verdict "$1")"
    case "$kind" in
        done) rm -rf "$QAZ_JOB_STATE"; exit 0 ;;
        user) echo "job $QAZ_JOB: not requeued, as the error above is to be put right first ($reason)" >&2; exit 2 ;;
        failed) echo "job $QAZ_JOB: not requeued, as the work failed ($reason)" >&2; exit 1 ;;
        told) requeue "$reason" 75 ;;
        node) requeue "$reason" 69 ;;
        lost) requeue "$reason" 1 ;;
    esac
}

requeue() {  # requeue REASON CODE: put this job back into the queue; the code is for when that cannot be
    local reason="$1" code="$2" state count later=()
    state=$(job_field JobState)
    if [ "$state" = SIGNALING ]; then state=RUNNING; fi  # while Slurm is at sending a signal
    if [ "$state" = COMPLETING ] && [ "$(job_field Reason)" = TimeLimit ]; then state=RUNNING; fi  # it may go on
    if [ "$state" != RUNNING ]; then  # cancelled by a person, or Slurm itself puts it back
        echo "job $QAZ_JOB: $reason; Slurm has ended it (${state:-it does not say how}), nothing is left to do" >&2
        exit "$code"
    fi
    count=$(in_vain)
    if [ "$count" -ge "$(max_restarts)" ]; then give_up "$code"; fi
    note_restart "$reason"
    if [ -s "$QAZ_JOB_STATE/bad-nodes" ]; then leave_out_bad_nodes; fi
    # Slurm waits two minutes by itself (cred_expire); after a loss each further try waits twice as long.
    if [ "$code" -ne 75 ] && [ "$count" -gt 0 ]; then later+=("StartTime=now+$((${QAZ_BACKOFF_S:-60} * (1 << (count < 10 ? count : 10))))"); fi
    echo "job $QAZ_JOB: $reason; back into the queue, restart $(restarts)${later:+, ${later[*]}}"
    # Requeueing sends this shell SIGTERM, which it does not follow: only a job that waits can be changed.
    trap : TERM
    if ! patiently scontrol requeue "$QAZ_JOB"; then
        echo "job $QAZ_JOB: Slurm does not requeue it (was it submitted with --no-requeue?)" >&2
        exit "$code"
    fi
    if [ "${#later[@]}" -gt 0 ]; then change_waiting_job "${later[@]}"; fi
    exit "$code"
}

change_waiting_job() {  # change_waiting_job NAME=VALUE...: while it is still ending Slurm refuses, and KillWait later this shell is killed
    local try
    for try in {1..40}; do
        if scontrol update JobId="$QAZ_JOB" "$@" 2>/dev/null; then return 0; fi
        sleep 0.5
    done
    echo "job $QAZ_JOB: Slurm did not take $*; it may start at once or on the same node, and find out again" >&2
}

leave_out_bad_nodes() {  # add them to the job's ExcNodeList; ends the job where too few would be left
    local before bad left
    before=$(job_field ExcNodeList)
    bad=$(cut -f 1 "$QAZ_JOB_STATE/bad-nodes" | sort -u | paste -s -d ,)
    if [ "$before" != "(null)" ]; then bad="$bad,$before"; fi
    left=$(comm -23 <(sinfo -h -N -p "$SLURM_JOB_PARTITION" -o %N | sort -u) <(scontrol show hostnames "$bad" | sort -u) | wc -l)
    sort -u "$QAZ_JOB_STATE/bad-nodes" | while IFS=$'\t' read -r node why; do echo "job $QAZ_JOB: node $node is left out: $why" >&2; done
    if [ "$left" -lt "$SLURM_JOB_NUM_NODES" ]; then
        echo "job $QAZ_JOB: partition $SLURM_JOB_PARTITION has $left without those, $SLURM_JOB_NUM_NODES are needed" >&2
        exit 69
    fi
    later+=("ExcNodeList=$bad")
}
