#!/usr/bin/env bash
# A Slurm cluster of one node on this machine, for tests; without systemd, with all state in one directory.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/slurm-cluster.sh start DIR    start munged, slurmctld and slurmd with all of their state in DIR
       scripts/slurm-cluster.sh stop DIR     cancel its jobs, stop the daemons, remove DIR

For tests on Debian and Ubuntu, as root: installs the packages slurm-wlm and munge if missing. The node has four CPUs, whatever the
machine has, so that several jobs run concurrently. A requeued job restarts after seconds (on a real cluster after two minutes, see
cred_expire in slurm.conf(5)). Changes nothing outside of DIR; uses non-standard ports so as not to disturb a cluster to which the
machine belongs.

Example:
  scripts/slurm-cluster.sh start /tmp/cluster
  export SLURM_CONF=/tmp/cluster/slurm.conf
  sbatch --wrap hostname && squeue
  scripts/slurm-cluster.sh stop /tmp/cluster
END
}

say() { echo "slurm-cluster: $*"; }
give_up() { echo "slurm-cluster: $*" >&2; exit 1; }

case ${1:-} in
    -h | --help) usage; exit 0 ;;
    start | stop) [[ $# == 2 ]] || { usage >&2; exit 2; } ;;
    *) usage >&2; exit 2 ;;
esac
[[ $1 == stop ]] || mkdir -p "$2"
[[ -d $2 ]] || give_up "no such directory: $2"
directory=$(cd "$2" && pwd)
export SLURM_CONF=$directory/slurm.conf

# within SECONDS COMMAND...: retries the command until it succeeds; fails on timeout.
within() {
    local end=$((SECONDS + $1))
    until "${@:2}" >"$directory/try.log" 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.2
    done
}

install_slurm() {
    local tool missing=no
    for tool in slurmctld slurmd munged sbatch; do command -v "$tool" >/dev/null || missing=yes; done
    [[ $missing == yes ]] || return 0
    command -v apt-get >/dev/null || give_up "Slurm (slurmctld, slurmd, sbatch) is missing, and there is no apt-get to install it"
    say "installing slurm-wlm and munge with apt-get"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
    "${apt[@]}" update </dev/null || say "apt-get update failed; continuing with the existing package lists"
    "${apt[@]}" install -y --no-install-recommends slurm-wlm slurm-wlm-basic-plugins munge </dev/null >"$directory/apt.log" 2>&1 ||
        { cat "$directory/apt.log" >&2; give_up "apt-get could not install Slurm"; }
}

configure() {
    local host memory
    host=$(hostname -s)
    memory=$(awk '/^MemTotal:/ { print int($2 / 1024 * 0.9) }' /proc/meminfo)
    mkdir -p "$directory"/{state,spool,log}
    cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# cred_expire is also the delay before a requeued job restarts.
AuthInfo=socket=$directory/munge.socket,cred_expire=5
StateSaveLocation=$directory/state
SlurmdSpoolDir=$directory/spool
SlurmctldPidFile=$directory/slurmctld.pid
SlurmdPidFile=$directory/slurmd.pid
SlurmctldLogFile=$directory/log/slurmctld.log
SlurmdLogFile=$directory/log/slurmd.log
# No cgroups and no kernel process tracker: both may be missing in a container.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=5
ReturnToService=2
MpiDefault=none
# Accept a number of CPUs that differs from the machine.
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=$memory State=UNKNOWN
PartitionName=work Nodes=$host Default=YES MaxTime=INFINITE DefMemPerCPU=500 PriorityTier=1 State=UP
PartitionName=urgent Nodes=$host MaxTime=INFINITE DefMemPerCPU=500 PriorityTier=2 State=UP
END
}

# daemon NAME COMMAND...: starts it in the background and writes its process ID to NAME.started.
daemon() {
    setsid "${@:2}" </dev/null >"$directory/log/$1.out" 2>&1 &
    echo $! >"$directory/$1.started"
}

start() {
    [[ $(id -u) == 0 ]] || give_up "slurmd needs root"
    [[ ! -e $directory/slurm.conf ]] || give_up "$directory already has a cluster: stop it first"
    # stop removes the directory.
    [[ -z $(ls -A "$directory") ]] || give_up "$directory is not empty"
    [[ $directory != *[[:space:]]* ]] || give_up "slurm.conf does not support a path with spaces: $directory"
    install_slurm
    configure
    chmod 755 "$directory"
    (umask 077 && head -c 1024 /dev/urandom >"$directory/munge.key")
    daemon munged munged --foreground --force --key-file="$directory/munge.key" --socket="$directory/munge.socket" \
        --pid-file="$directory/munge.pid" --log-file="$directory/log/munged.log" --seed-file="$directory/munge.seed"
    within 10 munge --no-input --socket="$directory/munge.socket" || give_up_with munged
    daemon slurmctld slurmctld -D -i
    within 20 scontrol ping || give_up_with slurmctld
    daemon slurmd slurmd -D -N "$(hostname -s)"
    within 30 node_is_idle || give_up_with slurmd
    say "running; export SLURM_CONF=$SLURM_CONF"
}

node_is_idle() { [[ $(sinfo --noheader --partition=work --format=%T) == idle ]]; }

give_up_with() {
    tail -n 20 "$directory/log/$1".* >&2 || true
    stop_daemons
    give_up "$1 does not start, see above and $directory/log"
}

stop_daemons() {
    local name pid
    for name in slurmd slurmctld munged; do
        [[ -e $directory/$name.started ]] || continue
        pid=$(<"$directory/$name.started")
        kill "$pid" 2>/dev/null || true
        within 10 not_running "$pid" || kill -9 "$pid" 2>/dev/null || true
        rm -f "$directory/$name.started"
    done
}

# A zombie, as in a container without init, is not running either.
not_running() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:[[:space:]]*Z' "/proc/$1/status"; }
no_jobs() { [[ -z $(squeue --noheader) ]]; }

stop() {
    [[ -e $directory/slurm.conf ]] || give_up "$directory has no cluster"
    if scontrol ping >/dev/null 2>&1; then
        scancel --user=root 2>/dev/null || true
        within 15 no_jobs || say "some jobs are still running; stopping the daemons anyway"
    fi
    stop_daemons
    rm -rf "$directory"
    say "stopped"
}

"$1"
