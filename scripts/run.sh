#!/usr/bin/env bash
# From a fresh clone to results and figures: set-up, build, run, plot.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/run.sh [ARGUMENTS OF advstep-hpc]

Installs what is missing (see scripts/setup.sh --help), builds advstep-hpc, runs it with the arguments given, and draws the
figures of what it found beside the results file; a shard has none until all are merged. Without arguments it runs the default experiment and leaves
  results/quick.h5         all results
  results/quick-figures/   the figures

Examples:
  scripts/run.sh                                      the default experiment (preset quick)
  scripts/run.sh --overwrite                          the same once more
  scripts/run.sh --depths 1 --dims 100 --widths 10,1e3 --out results/mine.h5
  scripts/run.sh --shard 1/2                          half of it; --shard 2/2 elsewhere, then scripts/run.sh merge
  scripts/run.sh plan --preset paper                  any other subcommand is only passed on

For the options of the program itself: scripts/run.sh run --help
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
say() { echo "run: $*"; }

# Messages go to standard error: the program's own output can be piped.
"$root/scripts/setup.sh" >&2
export PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
say "building (some minutes the first time)" >&2
cargo build --release --locked --manifest-path "$root/Cargo.toml"
program=${CARGO_TARGET_DIR:-$root/target}/release/advstep-hpc

# results_file [ARGUMENT...]: the file that a run with these arguments writes: --out, or results/STEM.h5 with the stem of the
# preset or configuration file.
results_file() {
    local out="" stem=quick
    while (($#)); do
        case $1 in
            --out) out=${2:-} ;;
            --out=*) out=${1#*=} ;;
            --preset | --config) stem=$(basename "${2:-}") ;;
            --preset=* | --config=*) stem=$(basename "${1#*=}") ;;
        esac
        shift
    done
    echo "${out:-results/${stem%.*}.h5}"
}

# Whether the arguments start an experiment, rather than another subcommand or a request for help.
is_run() {
    local argument
    for argument in "$@"; do
        case $argument in -h | --help | -V | --version) return 1 ;; esac
    done
    [[ $# == 0 || $1 == run || $1 == -* ]]
}

is_shard() {
    local argument
    for argument in "$@"; do
        case $argument in --shard | --shard=*) return 0 ;; esac
    done
    return 1
}

if ! is_run "$@"; then
    exec "$program" "$@"
fi

results=$(results_file "$@")
figures=${results%.h5}-figures
say "running $program $*" >&2
code=0
"$program" "$@" || code=$?
if [[ $code == 0 ]] && is_shard "$@"; then
    say "a shard is not drawn. When all are finished: scripts/run.sh merge SHARDS --out FILE.h5, then scripts/run.sh plot FILE.h5" >&2
    exit
fi
if [[ $code != 0 ]]; then
    if [[ $code == 2 && -e $results ]]; then
        say "$results is there from an earlier run. To draw its figures: scripts/run.sh plot $results" >&2
    fi
    exit "$code"
fi

say "drawing the figures" >&2
"$program" plot "$results" --out "$figures"
say "results: $results   (a table of them: $program show $results)"
say "figures: $figures"
