#!/usr/bin/env bash
# Tests the batch scripts of slurm/ under a real Slurm.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/test-slurm.sh

Starts a Slurm cluster of one node on this machine (see scripts/slurm-cluster.sh --help; root on Debian or Ubuntu) and submits
  - jobs with a wrong launcher, which must be refused;
  - a job with the header printed by `plan --sbatch`, under srun --mpi=pmix;
  - a job of two tasks that compute every network together, uninterrupted, and stopped and requeued;
  - an array of shards of which one has finished when the others are told to stop: only these must be requeued and finish, and then the
    merge job must run;
  - a cancelled job, which must stay cancelled;
  - a job that is preempted and has too short a time limit: it must be signalled and requeued both times, and finish.
All results must equal those of an uninterrupted run. Takes about three minutes.
Builds the program with cargo, unless ADVSTEP is set to one. If ADVSTEP_MPICH is set to a program built with MPICH (scripts/test-mpich.sh
builds target/mpich/release/advstep-hpc), tests it with srun --mpi=pmi2 too.
END
}

case ${1:-} in
    '') ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
say() { echo "test-slurm: $*"; }

# Jobs inherit the environment.
source scripts/common.sh
find_program

work=$(mktemp -d /tmp/advstep-slurm.XXXXXX)
cluster=$work/cluster
failures=0 reference=
clean_up() {
    [[ -z $reference ]] || kill "$reference" 2>/dev/null || true
    "$root/scripts/slurm-cluster.sh" stop "$cluster" || true
    rm -rf "$work"
}
scripts/slurm-cluster.sh start "$cluster"
trap clean_up EXIT
export SLURM_CONF=$cluster/slurm.conf
cd "$work"

fail() {
    say "FAILED: $1"
    [[ -z ${2:-} ]] || sed 's/^/    /' "$2"
    failures=$((failures + 1))
}

# same FILE REFERENCE LOG: checks that FILE has the same results as REFERENCE.
same() { "$ADVSTEP" compare "$1" "$2" >compare.log 2>&1 || { cat "$3" >>compare.log 2>&1; fail "$1 differs from an uninterrupted run" compare.log; }; }

# wait_for SECONDS JOB: waits until the job has left the queue.
wait_for() {
    local end=$((SECONDS + $1))
    while [[ -n $(squeue --noheader --job="$2" 2>/dev/null) ]]; do
        ((SECONDS < end)) || { scontrol show job "$2"; fail "job $2 does not end"; scancel "$2"; return; }
        sleep 0.5
    done
}

# state JOB: its state, such as COMPLETED.
state() { scontrol show job "$1" | grep -o 'JobState=[A-Z_]*' | head -n 1 | cut -d= -f2; }
restarts() { scontrol show job "$1" | grep -o 'Restarts=[0-9]*' | cut -d= -f2; }

# shellcheck disable=SC2054 # the commas are within the arguments
small=(--depths 1,2 --dims 5,20 --widths 10,20,300 --networks 5 --inputs 7)

# --- Wrong launchers ---

say "two tasks that do not see each other"
sbatch --quiet --wait --ntasks=2 --output=alone.log --wrap "'$ADVSTEP' ${small[*]} --out alone.h5" && fail "a lone task is not refused" alone.log
grep -q "SLURM_NTASKS is 2 but this process is alone" alone.log || fail "the refusal does not say why" alone.log
sbatch --quiet --wait --ntasks=2 --output=srun.log --wrap "srun '$ADVSTEP' ${small[*]} --out alone.h5" && fail "plain srun is not refused" srun.log
[[ ! -e alone.h5 ]] || fail "a task that is alone has written a file"

# --- The header printed by `plan` ---

"$ADVSTEP" run "${small[@]}" --quiet --out small.h5
say "a job with the header printed by plan, started with srun --mpi=pmix"
{
    "$ADVSTEP" plan "${small[@]}" --ranks 3 --threads 1 --memory 400MiB --sbatch
    grep -v -e '^#SBATCH' -e '^#!' "$root/slurm/advstep.sbatch"
} >planned.sbatch
ADVSTEP_LAUNCH="srun --mpi=pmix" sbatch --quiet --wait --output=planned.log planned.sbatch "${small[@]}" --out planned.h5 ||
    fail "the job does not succeed" planned.log
same planned.h5 small.h5 planned.log
grep -q "on 3 ranks with 1 thread" planned.log || fail "the job does not have three ranks" planned.log

if [[ -n ${ADVSTEP_MPICH:-} ]]; then
    say "the same job with MPICH, started with srun --mpi=pmi2"
    ADVSTEP=$ADVSTEP_MPICH ADVSTEP_LAUNCH="srun --mpi=pmi2" sbatch --quiet --wait --output=mpich.log planned.sbatch "${small[@]}" --out mpich.h5 ||
        fail "the job does not succeed" mpich.log
    same mpich.h5 small.h5 mpich.log
    grep -q "on 3 ranks with 1 thread" mpich.log || fail "the job does not have three ranks" mpich.log
else
    say "NOT RUN: srun --mpi=pmi2 (ADVSTEP_MPICH is not set)"
fi

# --- Calibration ---

within() { local end=$((SECONDS + $1)); until "${@:2}"; do ((SECONDS < end)) || return 1; sleep 0.2; done; }
at_work() { [[ -s $1.journal ]]; }
# requeued JOB [TIMES]
requeued() { (($(restarts "$1") >= ${2:-1})); }
completed() { [[ $(state "$1") == COMPLETED ]]; }

unit=(--depths 2 --dims 20 --widths 1000 --inputs 100 --threads 1)
# The minimum over rounds: other load would make the jobs too short.
shortest=
for ((round = 0; round < 5; round++)); do
    started=$(date +%s%N)
    "$ADVSTEP" run "${unit[@]}" --networks 100 --fresh --quiet --out calibration.h5
    passed=$(($(date +%s%N) - started))
    ((${shortest:-passed} < passed)) || shortest=$passed
done
# networks SECONDS: the number of networks that take at least that long on one core.
networks() { echo $((100 * $1 * 1000000000 / shortest)); }

# --- A team across two tasks ---

# Three slabs per layer, and at least 6 s on one core: it is stopped after its first results, and before its last.
wide=(--depths 2 --dims 20 --widths 25000 --inputs 8 --threads 1)
"$ADVSTEP" run "${wide[@]}" --networks 10 --fresh --quiet --out calibration.h5 # warms up
started=$(date +%s%N)
"$ADVSTEP" run "${wide[@]}" --networks 10 --fresh --quiet --out calibration.h5
wide+=(--networks "$((10 * 6 * 1000000000 / ($(date +%s%N) - started)))")
say "a team of two tasks, stopped and requeued"
teams() { grep -q "on 2 ranks with 1 thread, in teams of up to 2 ranks" "$1" || fail "the tasks are not a team" "$1"; }
team=$(sbatch --parsable --ntasks=2 --mem-per-cpu=400 --output=team.log "$root/slurm/advstep.sbatch" "${wide[@]}" --team 2 --out team.h5)
"$ADVSTEP" run "${wide[@]}" --team none --quiet --out single.h5 &
reference=$!
within 30 at_work team.h5 || fail "the team does not start" team.log
sleep 1
scancel --signal=USR1 --batch "$team"
within 20 requeued "$team" || fail "the team is not requeued" team.log
wait_for 120 "$team"
wait "$reference"
[[ $(state "$team") == COMPLETED ]] || fail "the team ends as $(state "$team")" team.log
teams team.log
grep -q "exit code 75" team.log || fail "the team was not stopped by the signal" team.log
grep -q "networks recovered" team.log || fail "the team has not resumed" team.log
same team.h5 single.h5 team.log

# --- An array and its merge; the first task has finished when the others are told to stop ---

# Shards of at least 8 s, so that two are running at the signal.
parts=("${unit[@]}" --networks "$(networks 24)")
say "an array of three shards, two of them requeued, and its merge"
array=$(sbatch --parsable --array=1-3%1 --cpus-per-task=1 --mem-per-cpu=300 "$root/slurm/array.sbatch" 3 array "${parts[@]}")
merge=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes --cpus-per-task=1 --output=merge.log "$root/slurm/array.sbatch" 3 array)
"$ADVSTEP" run "${parts[@]}" --quiet --out whole.h5 &
reference=$!
within 60 completed "${array}_1" || fail "the first task does not finish" "advstep-array-${array}_1.log"
# Fails for the finished task, but applies to the others.
scontrol update "JobId=$array" ArrayTaskThrottle=3 >update.log 2>&1 || true
# As --signal=B:USR1 does. The last task to start has the job ID of the array.
for task in 2 3; do
    within 30 at_work "array.$task-of-3.shard" || fail "task $task does not start" "advstep-array-${array}_$task.log"
    scancel --signal=USR1 --batch "${array}_$task"
done
for task in 2 3; do within 20 requeued "${array}_$task" || fail "task $task is not requeued" "advstep-array-${array}_$task.log"; done
wait_for 120 "$array"
wait_for 60 "$merge"
wait "$reference"
[[ $(grep -c "starts on" "advstep-array-${array}_1.log") == 1 ]] || fail "the finished task was restarted" "advstep-array-${array}_1.log"
for task in 2 3; do
    log=advstep-array-${array}_$task.log
    grep -q "exit code 75" "$log" || fail "task $task was not stopped by the signal" "$log"
    grep -q "networks recovered" "$log" || fail "task $task has not resumed" "$log"
done
[[ $(state "$merge") == COMPLETED ]] || fail "the merge ends as $(state "$merge")" merge.log
same array.h5 whole.h5 merge.log

# --- Cancelled ---

say "a cancelled job"
cancelled=$(sbatch --parsable --ntasks=2 --mem-per-cpu=400 --output=cancelled.log "$root/slurm/advstep.sbatch" \
    "${unit[@]}" --networks "$(networks 100)" --out cancelled.h5)
within 30 at_work cancelled.h5 || fail "the job does not start" cancelled.log
scancel "$cancelled"
wait_for 30 "$cancelled"
[[ $(state "$cancelled") == CANCELLED ]] || fail "a job that is cancelled ends as $(state "$cancelled")" cancelled.log
[[ $(restarts "$cancelled") == 0 ]] || fail "a job that is cancelled comes back" cancelled.log

# --- Preempted, then signalled before its time limit; requeued both times, and finished ---

# Long enough for two ranks to be running at the signal, 5 to 35 s after the start.
long=("${unit[@]}" --networks "$(networks 100)")
say "a job of 50 s or more on two ranks, with 25 s before its signal"
limited=$(sbatch --parsable --ntasks=2 --mem-per-cpu=400 --time=1 --signal=B:USR1@25 --output=limited.log \
    "$root/slurm/advstep.sbatch" "${long[@]}" --out limited.h5)
"$ADVSTEP" run "${long[@]}" --quiet --out long.h5 &
reference=$!
within 30 at_work limited.h5 || fail "the job does not start" limited.log
sleep 3
sbatch --quiet --partition=urgent --ntasks=4 --mem-per-cpu=100 --output=urgent.log --wrap true
within 20 requeued "$limited" || fail "the job was not preempted" limited.log
grep -q "exit code 75" limited.log && say "(preemption let the job stop on purpose)"
within 120 requeued "$limited" 2 || fail "the job is not requeued before its time is over" limited.log
# On a busy machine it would otherwise be requeued again and again.
scontrol update "JobId=$limited" TimeLimit=10
wait_for 300 "$limited"
wait "$reference"
[[ $(state "$limited") == COMPLETED ]] || fail "the job with a short limit ends as $(state "$limited")" limited.log
grep -q "networks recovered" limited.log || fail "the job has not resumed" limited.log
grep -q "exit code 75" limited.log || fail "the job was not stopped by the signal" limited.log
same limited.h5 long.h5 limited.log
say "finished after $(restarts "$limited") restarts"

((failures == 0)) || { say "$failures failures"; exit 1; }
say "all passed in $SECONDS s"
