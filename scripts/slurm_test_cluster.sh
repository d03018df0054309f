#!/bin/bash
# A Slurm of two nodes on this one machine, to try the job scripts on: as root, on Debian or Ubuntu.
#   apt-get install slurm-wlm munge
#   scripts/slurm_test_cluster.sh up         partitions main and urgent; urgent takes main's nodes, and requeues its jobs
#   scripts/slurm_test_cluster.sh down
#   scripts/slurm_test_cluster.sh lose n2    node n2 dies with all its processes, kill -9
#   scripts/slurm_test_cluster.sh bring n2   it comes back
#   sbatch -N 2 slurm/train.sh configs/train/tiny.yaml
# Each node says it has 16 processors, whatever this machine has, and no GPU; QAZ_TEST_GPUS=4 before `up` gives each four
# that are terminals by another name. A job that was requeued waits 5 seconds instead of Slurm's two minutes (cred_expire).
# MessageTimeout is longer than KillWait: else the controller asks once more, a minute later, to end a step whose tasks took their
# time, and meets the step of the same number in the job that is back by then.
# Changes outside the project: /etc/slurm/slurm.conf and gres.conf, a line in /etc/hosts, /var/{lib,log,spool}/qaz-slurm.
set -euo pipefail
STATE=/var/lib/qaz-slurm LOGS=/var/log/qaz-slurm SPOOL=/var/spool/qaz-slurm

of_node() {  # of_node NAME: the processes of a node: its daemon, all tasks and batch scripts, and the daemons of their steps
    local found=() place parent
    [ -f "$STATE/slurmd-$1.pid" ] && found+=("$(cat "$STATE/slurmd-$1.pid")")
    for place in /proc/[0-9]*; do
        if { tr '\0' '\n' < "$place/environ"; } 2>/dev/null | grep -qx "SLURMD_NODENAME=$1"; then
            found+=("${place#/proc/}")
            parent=$(awk '/^PPid:/ { print $2 }' "$place/status" 2>/dev/null)
            if [ "$(cat "/proc/$parent/comm" 2>/dev/null)" = slurmstepd ]; then found+=("$parent"); fi
        fi
    done
    printf '%s\n' "${found[@]}" | sort -u
}

lose() {
    local pids
    pids=$(of_node "$1")
    # All at one moment, as a node dies: a daemon that outlived the others would still say how they ended.
    # shellcheck disable=SC2086
    { kill -STOP $pids; kill -9 $pids; } 2>/dev/null || true
}

down() {
    scontrol shutdown 2>/dev/null || true
    for pid_file in "$STATE"/*.pid; do
        [ -f "$pid_file" ] && kill "$(cat "$pid_file")" 2>/dev/null || true
    done
    [ -f /run/munge/munged.pid ] && kill "$(cat /run/munge/munged.pid)" 2>/dev/null || true
    sed -i '/# qaz-slurm$/d' /etc/hosts 2>/dev/null || { grep -v '# qaz-slurm$' /etc/hosts > "$STATE/hosts" && cat "$STATE/hosts" > /etc/hosts; }
}

wait_for_nodes() {
    for _ in $(seq 60); do
        [ "$(sinfo -h -p main -t idle,mixed,alloc -o %D 2>/dev/null | awk '{n += $1} END {print n + 0}')" = 2 ] && return
        sleep 0.5
    done
    echo "the two nodes are not ready after 30 s; see $LOGS" >&2
    sinfo >&2 || true
    exit 1
}

up() {
    for program in slurmctld slurmd munged sbatch; do
        command -v "$program" >/dev/null || { echo "no $program: apt-get install slurm-wlm munge" >&2; exit 2; }
    done
    [ "$(id -u)" -eq 0 ] || { echo "run as root: slurmd starts other users' jobs" >&2; exit 2; }
    if [ -f /etc/slurm/slurm.conf ] && ! grep -qx ClusterName=qaz /etc/slurm/slurm.conf; then
        echo "/etc/slurm/slurm.conf is that of another cluster; this one is not started" >&2
        exit 2
    fi
    mkdir -p "$STATE/ctld" "$LOGS" "$SPOOL/n1" "$SPOOL/n2" /etc/slurm /run/munge
    chown munge: /run/munge
    [ -f /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none; chown munge: /etc/munge/munge.key; chmod 400 /etc/munge/munge.key; }
    grep -q '# qaz-slurm$' /etc/hosts || echo "127.0.0.1 n1 n2  # qaz-slurm" >> /etc/hosts
    local host memory gres=""
    host=$(hostname -s) memory=$(($(grep MemTotal /proc/meminfo | tr -dc 0-9) / 1024 - 512))
    rm -f /etc/slurm/gres.conf
    if [ "${QAZ_TEST_GPUS:-0}" -gt 0 ]; then
        gres="Gres=gpu:$QAZ_TEST_GPUS"
        echo "NodeName=n[1-2] Name=gpu File=/dev/tty[1-$QAZ_TEST_GPUS]" > /etc/slurm/gres.conf
    fi
    cat > /etc/slurm/slurm.conf <<CONF
ClusterName=qaz
SlurmctldHost=$host
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=5
StateSaveLocation=$STATE/ctld
SlurmdSpoolDir=$SPOOL/%n
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd-%n.pid
SlurmctldLogFile=$LOGS/slurmctld.log
SlurmdLogFile=$LOGS/slurmd-%n.log
SlurmdParameters=config_overrides
SlurmdTimeout=20
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=10
MessageTimeout=60
SchedulerParameters=defer,bf_interval=5,sched_interval=5
${gres:+GresTypes=gpu}
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17001 CPUs=16 RealMemory=$memory $gres
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17002 CPUs=16 RealMemory=$memory $gres
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=n1,n2 MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
CONF
    pgrep -x munged >/dev/null || runuser -u munge -- munged
    slurmctld
    slurmd -N n1
    slurmd -N n2
    wait_for_nodes
    sinfo
}

case "${1:-}" in
    up) up ;;
    down) down ;;
    lose) lose "${2:?lose NODE}" ;;
    bring) slurmd -N "${2:?bring NODE}"; wait_for_nodes ;;
    *) echo "usage: $0 up|down|lose NODE|bring NODE" >&2; exit 2 ;;
esac
