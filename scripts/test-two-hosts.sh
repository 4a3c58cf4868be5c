#!/usr/bin/env bash
# Runs ranks on two simulated hosts, which are network namespaces connected by a virtual cable.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/test-two-hosts.sh

Simulates two hosts with separate networks and host names (ip netns, a veth pair, unshare --uts), runs the program on both with the mpirun
of Open MPI 4, which then communicates over TCP, and compares the results with those of a plain run.
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
ranks() {
    # shellcheck disable=SC2054 # the commas are within the arguments
    local command=(mpirun --oversubscribe --mca plm rsh --mca plm_rsh_agent "$work/agent"
        --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 --mca oob_tcp_if_include 10.77.0.0/24
        --host 10.77.0.1:2,10.77.0.2:2 -n 4 "$@")
    # Quoted for the shell that the agent starts.
    "$work/agent" 10.77.0.1 "${command[*]@Q}"
}
names=$(ranks hostname | sort -u | paste -sd ' ')
[[ $names == "${hosts[*]}" ]] || give_up "the ranks are not on two hosts but on: $names"
say "four ranks on two hosts: $names"
ranks "$ADVSTEP" run "${small[@]}" --quiet --out "$work/two.h5"
env -u SLURM_NTASKS "$ADVSTEP" run "${small[@]}" --quiet --out "$work/one.h5"
"$ADVSTEP" compare "$work/two.h5" "$work/one.h5"
say "passed"
