#!/usr/bin/env bash
# Runs ranks on two simulated hosts, which are network namespaces connected by a virtual cable.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/test-two-hosts.sh

Simulates two hosts with separate networks and host names (ip netns, a veth pair, unshare --uts), runs the program on both with the mpirun
of Open MPI 4, which then communicates over TCP, and compares the results with those of a plain run: four ranks, then a team of one rank on
each host. A member of the team fails, and another is killed, on the second host; both must end the job, and the same command must resume it.
Needs root, iproute2 and Open MPI 4. Builds the program with cargo, unless ADVSTEP is set to one.
END
}

case ${1:-} in
    '') ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { echo "test-two-hosts: $*"; }
give_up() { echo "test-two-hosts: $*" >&2; exit 1; }
[[ $(id -u) == 0 ]] || give_up "creating network namespaces needs root"
command -v ip >/dev/null || give_up "ip is missing: install iproute2"

source scripts/common.sh
find_program

work=$(mktemp -d /tmp/advstep-hosts.XXXXXX)
hosts=("adv$$a" "adv$$b")
clean_up() {
    for host in "${hosts[@]}"; do ip netns del "$host" 2>/dev/null || true; done
    rm -rf "$work"
}
trap clean_up EXIT

for host in "${hosts[@]}"; do ip netns add "$host"; done
ip link add "v$$a" netns "${hosts[0]}" type veth peer name "v$$b" netns "${hosts[1]}"
ip -n "${hosts[0]}" addr add 10.77.0.1/24 dev "v$$a"
ip -n "${hosts[1]}" addr add 10.77.0.2/24 dev "v$$b"
ip -n "${hosts[0]}" link set "v$$a" up
ip -n "${hosts[1]}" link set "v$$b" up
for host in "${hosts[@]}"; do ip -n "$host" link set lo up; done

# The replacement for ssh: agent ADDRESS COMMAND... runs the command on that host.
cat >"$work/agent" <<END
#!/usr/bin/env bash
case \$1 in 10.77.0.1) host=${hosts[0]} ;; 10.77.0.2) host=${hosts[1]} ;; *) exit 1 ;; esac
shift
exec ip netns exec "\$host" unshare --uts bash -c "hostname \$host; \$*"
END
chmod +x "$work/agent"

# shellcheck disable=SC2054 # the commas are within the arguments
small=(--depths 1,2 --dims 5,20 --widths 10,20,300 --networks 5 --inputs 7 --threads 1)
# ranks NUMBER COMMAND...: runs NUMBER ranks, half of them on each host.
ranks() {
    local number=$1
    # shellcheck disable=SC2054 # the commas are within the arguments
    local command=(mpirun --oversubscribe --mca plm rsh --mca plm_rsh_agent "$work/agent"
        --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24
        --host "10.77.0.1:$((number / 2)),10.77.0.2:$((number / 2))" -n "$number" ${ADVSTEP_FAULT:+-x ADVSTEP_FAULT} "${@:2}")
    # Quoted for the shell that the agent starts.
    "$work/agent" 10.77.0.1 "${command[*]@Q}"
}
names=$(ranks 4 hostname | sort -u | paste -sd ' ')
[[ $names == "${hosts[*]}" ]] || give_up "the ranks are not on two hosts but on: $names"
say "four ranks on two hosts: $names"
ranks 4 "$ADVSTEP" run "${small[@]}" --quiet --out "$work/two.h5"
env -u SLURM_NTASKS "$ADVSTEP" run "${small[@]}" --quiet --out "$work/one.h5"
"$ADVSTEP" compare "$work/two.h5" "$work/one.h5"

# --- A team across the hosts ---

# Three and eight slabs a layer; the shallow engine at depth 1.
# shellcheck disable=SC2054 # the commas are within the arguments
wide=(--depths 1,2 --dims 30 --widths 25000,70000 --networks 12 --inputs 8 --engine auto --threads 1)
team() { ranks 2 "$ADVSTEP" run "${wide[@]}" --team 2 --out "$1" >"$work/tables.txt"; }
env -u SLURM_NTASKS "$ADVSTEP" run "${wide[@]}" --team none --quiet --out "$work/alone.h5"
engines=$("$ADVSTEP" show "$work/alone.h5" --format json | grep -oE '"engine": ?"[a-z]+"' | sort -u | paste -sd ' ')
[[ $engines == *implicit*shallow* ]] || give_up "the cells have the engines $engines"

# same FILE LOG: checks that FILE has the results of a single thread, computed by teams.
same() {
    grep -q "in teams of up to 2 ranks" "$2" || { cat "$2" >&2; give_up "there was no team of two ranks"; }
    "$ADVSTEP" compare "$1" "$work/alone.h5"
}
say "a team of one rank on each host"
team "$work/team.h5" 2>"$work/team.log" || { cat "$work/team.log" >&2; give_up "the team fails"; }
same "$work/team.h5" "$work/team.log"

say "an error of the member on the second host"
ADVSTEP_FAULT=error:rank=1:unit=9 team "$work/struck.h5" 2>"$work/struck.log" && give_up "the job ignores the failure of a member"
grep -q "error: rank 1 of 2: " "$work/struck.log" || { cat "$work/struck.log" >&2; give_up "the message of the member is missing"; }
[[ ! -e $work/struck.h5 ]] || give_up "a job that failed has written its file"
team "$work/struck.h5" 2>"$work/struck.log" || { cat "$work/struck.log" >&2; give_up "the job does not resume"; }
same "$work/struck.h5" "$work/struck.log"

# within SECONDS COMMAND...: retries the command until it succeeds; fails on timeout.
within() { local end=$((SECONDS + $1)); until "${@:2}"; do ((SECONDS < end)) || return 1; sleep 0.05; done; }
# kill_member: SIGKILL to the rank on the second host; fails if there is none.
kill_member() {
    local process
    for process in $(ip netns pids "${hosts[1]}"); do
        [[ $(cat "/proc/$process/comm" 2>/dev/null) != advstep-hpc ]] || { kill -KILL "$process" && return; }
    done
    return 1
}
say "SIGKILL to the member on the second host"
team "$work/killed.h5" 2>"$work/killed.log" &
job=$!
within 60 test -s "$work/killed.h5.journal" || { cat "$work/killed.log" >&2; give_up "the job does not start"; }
head=$(stat -c %s "$work/killed.h5.journal")
has_grown() { (($(stat -c %s "$work/killed.h5.journal") > head)); }
within 60 has_grown || { cat "$work/killed.log" >&2; give_up "the job has no results"; }
within 10 kill_member || { cat "$work/killed.log" >&2; give_up "there is no rank on the second host"; }
has_ended() { ! kill -0 "$job" 2>/dev/null; }
within 30 has_ended || { kill -KILL "$job"; give_up "the job does not end with its member"; }
wait "$job" && give_up "the job ignores the death of a member"
grep -q "exited on signal 9" "$work/killed.log" || { cat "$work/killed.log" >&2; give_up "mpirun does not say what has happened"; }
[[ ! -e $work/killed.h5 ]] || give_up "a job that was killed has written its file"
team "$work/killed.h5" 2>"$work/killed.log" || { cat "$work/killed.log" >&2; give_up "the job does not resume"; }
same "$work/killed.h5" "$work/killed.log"
grep -q " recovered from " "$work/killed.log" || { cat "$work/killed.log" >&2; give_up "the job has started over"; }
say "passed"
