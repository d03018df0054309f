#!/bin/bash
# A Slurm of two nodes on this one machine, to try the job scripts on: as root, on Debian or Ubuntu.
#   apt-get install slurm-wlm munge
#   scripts/slurm_test_cluster.sh up     scripts/slurm_test_cluster.sh down
#   sbatch -N 2 --ntasks-per-node=1 --gpus-per-node=0 --cpus-per-task=1 slurm/train.sh configs/train/tiny.yaml
# Changes outside the project: /etc/slurm/slurm.conf, a line in /etc/hosts, /var/{lib,log,spool}/qaz-slurm.
set -euo pipefail
STATE=/var/lib/qaz-slurm LOGS=/var/log/qaz-slurm SPOOL=/var/spool/qaz-slurm

down() {
    scontrol shutdown 2>/dev/null || true
    for pid_file in "$STATE"/*.pid; do
        [ -f "$pid_file" ] && kill "$(cat "$pid_file")" 2>/dev/null || true
    done
    [ -f /run/munge/munged.pid ] && kill "$(cat /run/munge/munged.pid)" 2>/dev/null || true
    sed -i '/# qaz-slurm$/d' /etc/hosts 2>/dev/null || { grep -v '# qaz-slurm$' /etc/hosts > "$STATE/hosts" && cat "$STATE/hosts" > /etc/hosts; }
}

up() {
    for program in slurmctld slurmd munged sbatch; do
        command -v "$program" >/dev/null || { echo "no $program: apt-get install slurm-wlm munge" >&2; exit 2; }
    done
    [ "$(id -u)" -eq 0 ] || { echo "run as root: slurmd starts other users' jobs" >&2; exit 2; }
    mkdir -p "$STATE/ctld" "$LOGS" "$SPOOL/n1" "$SPOOL/n2" /etc/slurm /run/munge
    chown munge: /run/munge
    [ -f /etc/munge/munge.key ] || { dd if=/dev/urandom of=/etc/munge/munge.key bs=1024 count=1 status=none; chown munge: /etc/munge/munge.key; chmod 400 /etc/munge/munge.key; }
    grep -q '# qaz-slurm$' /etc/hosts || echo "127.0.0.1 n1 n2  # qaz-slurm" >> /etc/hosts
    local host cpus memory
    host=$(hostname -s) cpus=$(nproc) memory=$(($(grep MemTotal /proc/meminfo | tr -dc 0-9) / 1024 - 512))
    cat > /etc/slurm/slurm.conf <<CONF
ClusterName=qaz
SlurmctldHost=$host
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$STATE/ctld
SlurmdSpoolDir=$SPOOL/%n
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd-%n.pid
SlurmctldLogFile=$LOGS/slurmctld.log
SlurmdLogFile=$LOGS/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SchedulerType=sched/backfill
MpiDefault=none
ReturnToService=2
JobRequeue=1
KillWait=10
SchedulerParameters=defer,bf_interval=5
NodeName=n1 NodeHostname=$host NodeAddr=127.0.0.1 Port=17001 CPUs=$cpus RealMemory=$memory
NodeName=n2 NodeHostname=$host NodeAddr=127.0.0.1 Port=17002 CPUs=$cpus RealMemory=$memory
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
CONF
    pgrep -x munged >/dev/null || runuser -u munge -- munged
    slurmctld
    slurmd -N n1
    slurmd -N n2
    for _ in $(seq 30); do
        [ "$(sinfo -h -t idle -o %D 2>/dev/null | tr -d ' ')" = 2 ] && { sinfo; return; }
        sleep 1
    done
    echo "the two nodes are not idle after 30 s; see $LOGS" >&2
    sinfo >&2 || true
    exit 1
}

case "${1:-}" in
    up) up ;;
    down) down ;;
    *) echo "usage: $0 up|down" >&2; exit 2 ;;
esac
