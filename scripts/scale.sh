#!/bin/bash
# Runs the cells of docs/scale.md and prints its rows: one network, or a few, over threads and ranks, with the peak memory of every rank.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: scripts/scale.sh [DIRECTORY [ROW...]]

Runs the cells of docs/scale.md on this machine, results in DIRECTORY [default: results/scale], and prints a table. ROWs are numbers, from 1 [default:
all, which takes about an hour on two cores]. A row that is there already is not run again.

ADVSTEP is the program [default: built by cargo]; GNU time measures memory.
TEXT
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
esac
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/common.sh
source scripts/common.sh
find_program
directory=${1:-results/scale}
mkdir -p "$directory"
shift || true

# ranks, threads of a rank, memory of a rank, and the options of the run.
rows=(
    "1 2 20GiB --depths 6 --dims 500 --widths 1e5 --networks 2 --inputs 100"
    "1 2 20GiB --depths 2 --dims 500 --widths 1e6 --networks 2 --inputs 100"
    "1 2 20GiB --depths 1 --dims 1e6 --widths 1e6 --networks 2 --inputs 100"
    "4 1 4GiB --depths 6 --dims 500 --widths 1e6 --networks 1 --inputs 100"
    "4 1 5GiB --depths 2 --dims 500 --widths 1e7 --networks 1 --inputs 42"
    "1 2 20GiB --depths 1 --dims 20 --widths 1e9 --networks 1 --inputs 100 --engine dense"
    "1 2 20GiB --depths 1 --dims 20 --widths 1e10 --networks 1 --inputs 10 --engine dense"
)
[[ $# -gt 0 ]] || eval "set -- {1..${#rows[@]}}"

python3 scripts/scale.py
for row in "$@"; do
    read -r ranks threads memory options <<<"${rows[row - 1]}"
    out=$directory/row-$row
    if [[ ! -e $out.h5 ]]; then
        rm -f "$out".time.*
        # shellcheck disable=SC2016
        measured=(bash -c 'exec /usr/bin/time -f "%e %U %S %M" -o "$0.time.${OMPI_COMM_WORLD_RANK:-${PMI_RANK:-0}}" "$@"' "$out" "$ADVSTEP" run)
        # shellcheck disable=SC2206
        measured+=($options --threads "$threads" --memory "$memory" --out "$out.h5")
        if [[ $ranks == 1 ]]; then
            "${measured[@]}" >&2
        else
            mpirun --bind-to none -n "$ranks" "${measured[@]}" >&2
        fi
    fi
    "$ADVSTEP" show "$out.h5" --format json | python3 scripts/scale.py "$ranks × $threads" "$out".time.*
done
