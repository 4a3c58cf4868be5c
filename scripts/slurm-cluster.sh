#!/usr/bin/env bash
# A Slurm cluster of one node on this machine, for tests: no systemd, and all of its state in one directory.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/slurm-cluster.sh start DIR    start munged, slurmctld and slurmd with all of their state in DIR
       scripts/slurm-cluster.sh stop DIR     cancel its jobs, end the daemons, remove DIR

For tests on Debian and Ubuntu, as root: installs the packages slurm-wlm and munge where they are missing. The node has four
processors, whatever the machine has, so that several jobs run at once. A requeued job starts again after seconds (on a real
cluster: two minutes, see cred_expire in slurm.conf(5)). Nothing outside of DIR is changed, and a cluster that the
machine belongs to is not touched: the ports are others.

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

# within SECONDS COMMAND...: tries the command until it succeeds; fails when it has not in time.
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
    command -v apt-get >/dev/null || give_up "no Slurm found (slurmctld, slurmd, sbatch) and no apt-get to install it with"
    say "installing slurm-wlm and munge with apt-get"
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
    "${apt[@]}" update </dev/null || say "apt-get update failed; trying with the lists that are there"
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
# cred_expire is also how long a requeued job waits before it starts again.
AuthInfo=socket=$directory/munge.socket,cred_expire=5
StateSaveLocation=$directory/state
SlurmdSpoolDir=$directory/spool
SlurmctldPidFile=$directory/slurmctld.pid
SlurmdPidFile=$directory/slurmd.pid
SlurmctldLogFile=$directory/log/slurmctld.log
SlurmdLogFile=$directory/log/slurmd.log
# Neither control groups nor a process tracker of the kernel: both can be missing in a container.
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
# CPUs is not what the machine has: Slurm is to believe it all the same.
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=$memory State=UNKNOWN
PartitionName=work Nodes=$host Default=YES MaxTime=INFINITE DefMemPerCPU=500 PriorityTier=1 State=UP
PartitionName=urgent Nodes=$host MaxTime=INFINITE DefMemPerCPU=500 PriorityTier=2 State=UP
END
}

# daemon NAME COMMAND...: starts one in the background; its process id goes to NAME.pid for stop.
daemon() {
    setsid "${@:2}" </dev/null >"$directory/log/$1.out" 2>&1 &
    echo $! >"$directory/$1.started"
}

start() {
    [[ $(id -u) == 0 ]] || give_up "only root can start slurmd"
    [[ ! -e $directory/slurm.conf ]] || give_up "$directory holds a cluster already: stop it first"
    # Stopping removes the directory.
    [[ -z $(ls -A "$directory") ]] || give_up "$directory is not empty"
    [[ $directory != *[[:space:]]* ]] || give_up "slurm.conf cannot hold a path with spaces: $directory"
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
    give_up "$1 does not come up, see above and $directory/log"
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

# A process that has ended but that nobody has waited for yet, as in a container without an init, does not run either.
not_running() { ! kill -0 "$1" 2>/dev/null || grep -q '^State:[[:space:]]*Z' "/proc/$1/status"; }
no_jobs() { [[ -z $(squeue --noheader) ]]; }

stop() {
    [[ -e $directory/slurm.conf ]] || give_up "$directory holds no cluster"
    if scontrol ping >/dev/null 2>&1; then
        scancel --user=root 2>/dev/null || true
        within 15 no_jobs || say "jobs are left; ending the daemons all the same"
    fi
    stop_daemons
    rm -rf "$directory"
    say "stopped"
}

"$1"
