#!/usr/bin/env bash
# Prints the peak memory of every rank of a team against that of a single rank: the table in docs/scale.md.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/team-memory.sh [OPTION...]

Runs one network (L = 2, d = 500, k = 300,000, 50 inputs; OPTIONs of `advstep-hpc run` override) on one rank, and by teams of 2 and 4 ranks of one
thread, and prints the peak resident memory of every rank. Fails if results differ, or if a rank of the team of 4 takes more than 0.3 times the
memory of the single rank plus 60 MB. Takes less than a minute. Needs GNU time and mpirun. Builds the program with cargo, unless ADVSTEP is set to one.
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
find_program
work=$(mktemp -d /tmp/advstep-memory.XXXXXX)
trap 'rm -rf "$work"' EXIT

echo "| ranks of the team | peak memory of each rank, MB | largest ÷ single rank |"
echo "|---|---|---|"
for ranks in 1 2 4; do
    # shellcheck disable=SC2016 # for the shell of each rank
    mpirun --bind-to none -n "$ranks" bash -c 'exec /usr/bin/time --quiet -f %M -o "$0.$OMPI_COMM_WORLD_RANK" "$@"' "$work/$ranks" \
        "$ADVSTEP" run --depths 2 --dims 500 --widths 3e5 --networks 1 --inputs 50 --threads 1 --memory 8GiB "$@" --team "$ranks" --quiet \
        --out "$work/$ranks.h5" >"$work/tables"
    "$ADVSTEP" compare "$work/$ranks.h5" "$work/1.h5" >"$work/tables" || { cat "$work/tables" >&2; exit 1; }
    cat "$work/$ranks".? | awk -v ranks="$ranks" -v file="$work/single" '
        { mb = $1 * 1024 / 1e6; list = list (NR > 1 ? ", " : "") sprintf("%.0f", mb); if (mb > most) most = mb }
        END {
            if (ranks == 1) { print most >file; single = most } else { getline single <file }
            printf "| %d | %s | %.2f |\n", ranks, list, most / single
            if (ranks == 4 && most > 0.3 * single + 60) { print "more than 0.3 of " single " MB plus 60 MB" >"/dev/stderr"; exit 1 }
        }'
done
