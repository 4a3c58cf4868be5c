#!/bin/bash
# Networks, one after the other, on one thread, on two threads, and on two ranks of one thread: prints wall times and speedups.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/team-speedup.sh [ROUNDS [ROW...]]

Times runs of a few networks in turn [default: 3 rounds] and prints a table of the shortest times per network. Each network is computed by all
workers. With one network only, the kernel's clearing of fresh pages would weigh as much as a part of the work; later networks use them again.
ROWs are numbers, from 1 [default: all].
NETWORKS is their number [default: 3], ADVSTEP the program [default: built by cargo].
TEXT
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh
find_program
rounds=${1:-3} rows=" ${*:2} " row=0 networks=${NETWORKS:-3}
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

# seconds COMMAND...: wall time of a run, per network.
seconds() {
    rm -f "$directory"/out.h5*
    /usr/bin/time -f %e -o "$directory/time" "$@" --networks "$networks" --memory 8GiB --quiet --out "$directory/out.h5" </dev/null >/dev/null
    awk -v n="$networks" 'END { print $1 / n }' "$directory/time"
}

echo "| L | d | k | inputs | one thread, s | two threads, s | speedup | two ranks, s | speedup |"
echo "|---|---|---|---|---|---|---|---|---|"
while read -r depth dim width inputs options; do
    row=$((row + 1))
    [[ $rows == *[0-9]* && $rows != *" $row "* ]] && continue
    # shellcheck disable=SC2206
    run=("$ADVSTEP" run --depths "$depth" --dims "$dim" --widths "$width" --inputs "$inputs" $options)
    rm -f "$directory"/times.*
    for ((round = 0; round < rounds; round++)); do
        seconds "${run[@]}" --threads 1 --team none >>"$directory/times.1"
        seconds "${run[@]}" --threads 2 --team 1 >>"$directory/times.2"
        seconds mpirun --bind-to none -n 2 "${run[@]}" --threads 1 --team 2 >>"$directory/times.3"
    done
    mapfile -t shortest < <(for which in 1 2 3; do sort -g "$directory/times.$which" | head -1; done)
    awk -v OFS=' | ' -v l="$depth" -v d="$dim" -v k="$width" -v n="$inputs" -v a="${shortest[0]}" -v b="${shortest[1]}" -v c="${shortest[2]}" \
        'BEGIN { printf "| %s | %s | %s | %s | %.2f | %.2f | %.2f | %.2f | %.2f |\n", l, d, k, n, a, b, a / b, c, a / c }'
done <<'CELLS'
2 500 1000000 50
1 500 1000000 100
1 20 100000000 20 --engine dense
CELLS
