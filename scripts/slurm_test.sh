#!/bin/bash
# make slurm-test: the short form of the drills on a Slurm of two nodes that is started for it, and ended after it.
# Installs nothing. Where there is no Slurm, or nobody may start one, it says so and is passed over.
set -euo pipefail
cd "$(dirname "$0")/.."
left_out() { echo "slurm-test is LEFT OUT: $1"; exit 0; }

[ "$(uname)" = Linux ] || left_out "it needs Linux"
for program in slurmctld slurmd munged sbatch; do
    command -v "$program" >/dev/null || left_out "no $program; as root: apt-get install slurm-wlm munge"
done
[ "$(id -u)" -eq 0 ] || left_out "only root can start slurmd"
if [ -f /etc/slurm/slurm.conf ] && ! grep -qx ClusterName=qaz /etc/slurm/slurm.conf; then
    left_out "/etc/slurm/slurm.conf is that of another cluster"
fi
if ! scontrol ping 2>/dev/null | grep -q "is UP"; then
    trap 'scripts/slurm_test_cluster.sh down' EXIT
    scripts/slurm_test_cluster.sh up || left_out "THE TEST CLUSTER DID NOT COME UP, see /var/log/qaz-slurm"
fi
"${PYTHON:-.venv/bin/python}" scripts/slurm_drills.py --quick "$@"
