#!/usr/bin/env bash
# Compares the times that `plan` predicts with those that `run` takes, on one thread of this machine.
set -euo pipefail

usage() {
    cat <<'END_OF_USAGE'
Usage: scripts/check-forecast.sh [ROUNDS]

For cells of every engine and search runs as many networks as are predicted to take a second and prints, in Markdown, the thread-seconds per
network that `plan` predicts without and with --calibrate and those that `run` reports, and the ratio of the last two: medians of ROUNDS (default 5)
calibrations, each with a run after it, because the speed of a shared machine varies by half from minute to minute. Calibration counts CPU time and
`run` wall time, so background load lowers the ratio.
Builds the program with cargo, unless ADVSTEP is set to one.
END_OF_USAGE
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac
rounds=${1:-5}
[[ $# -le 1 && $rounds =~ ^[1-9][0-9]*$ ]] || { usage >&2; exit 2; }

cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
find_program
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# L, d, k, and further options.
cells=(
    "1 10 1e5" "1 50 1000" "1 500 1000" "1 50 1000 --engine dense --search scan" "1 500 1e4" "1 5000 1e4" "2 100 1000" "2 50 1e4" "3 50 1000" "4 50 300" "3 20 30" "6 20 100" "2 500 inf"
    "1 50 1000 --activation tanh" "1 500 1000 --precision f64" "2 100 1000 --precision f64"
)

# Seconds per network in the last row of a plan.
per_network() { "$ADVSTEP" plan "$@" --threads 1 --all | tail -n 1 | awk '{ print $(NF - 1) }'; }

# Of the numbers in standard input, one a line.
median() { sort -g | awk '{ x[NR] = $1 } END { print (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2 }'; }

grep -qw avx512f /proc/cpuinfo && simd="AVX-512" || simd="no AVX-512"
echo "$(sed -nE 's/^model name\s*: //p' /proc/cpuinfo | head -n 1), $simd, $rounds rounds, load average at the start $(cut -d' ' -f1 /proc/loadavg)"
echo
echo "| L d k | engine and search | predicted (s) | calibrated (s) | measured (s) | calibrated over measured |"
echo "|---|---|---|---|---|---|"
for cell in "${cells[@]}"; do
    read -r depth dim width options <<<"$cell"
    read -ra words <<<"--depths $depth --dims $dim --widths $width $options"
    method=$("$ADVSTEP" plan "${words[@]}" --threads 1 --all | tail -n 1 | awk '{ print $4, $5 }')
    predicted=$(per_network "${words[@]}")
    rm -f "$work"/{calibrated,measured,ratios}
    for ((round = 0; round < rounds; round++)); do
        calibrated=$(per_network "${words[@]}" --calibrate)
        networks=$(awk -v each="$calibrated" 'BEGIN { n = int(1 / each) + 1; print n < 100000 ? n : 100000 }')
        "$ADVSTEP" run "${words[@]}" --networks "$networks" --threads 1 --quiet --overwrite --out "$work/cell.h5"
        measured=$("$ADVSTEP" show "$work/cell.h5" --format json | sed -E 's/.*"seconds":([^,}]*).*/\1/' | awk -v n="$networks" '{ print $1 / n }')
        echo "$calibrated" >>"$work/calibrated"
        echo "$measured" >>"$work/measured"
        awk -v c="$calibrated" -v m="$measured" 'BEGIN { print c / m }' >>"$work/ratios"
    done
    printf '| %s | %s | %.2e | %.2e | %.2e | %.2f |\n' "$cell" "$method" "$predicted" "$(median <"$work/calibrated")" \
        "$(median <"$work/measured")" "$(median <"$work/ratios")"
done
