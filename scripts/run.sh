#!/usr/bin/env bash
# From a fresh clone to results and figures: set-up, build, run with --plot.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/run.sh [ARGUMENTS OF advstep-hpc]

Installs what is missing (see scripts/setup.sh --help), builds advstep-hpc and runs it with the arguments given. A run gets
--plot, which draws its figures beside the results file; a shard has no figures until all shards are merged. Without arguments
it runs the default experiment and leaves
  results/quick.h5         all results
  results/quick-figures/   the figures

Examples:
  scripts/run.sh                                      the default experiment (preset quick)
  scripts/run.sh --overwrite                          the same once more
  scripts/run.sh --depths 1 --dims 100 --widths 10,1e3 --out results/mine.h5
  scripts/run.sh --shard 1/2                          half of it; --shard 2/2 elsewhere, then scripts/run.sh merge
  scripts/run.sh plan --preset paper                  other subcommands are passed on as they are

For the options of the program itself: scripts/run.sh run --help
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
say() { echo "run: $*" >&2; }

# Messages go to standard error: the program's own output can be piped.
"$root/scripts/setup.sh" >&2
export PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
say "building (some minutes the first time)"
cargo build --release --locked --manifest-path "$root/Cargo.toml"
program=${CARGO_TARGET_DIR:-$root/target}/release/advstep-hpc

# is_given NAME [ARGUMENT...]: whether NAME, or NAME=value, is among the arguments.
is_given() {
    local name=$1 argument
    shift
    for argument in "$@"; do
        [[ $argument == "$name" || $argument == "$name="* ]] && return
    done
    return 1
}

if [[ $# == 0 || $1 == run || $1 == -* ]]; then
    if is_given --shard "$@"; then
        say "a shard has no figures. When all are finished: scripts/run.sh merge SHARDS --out FILE.h5, then scripts/run.sh plot FILE.h5"
    elif ! is_given --plot "$@"; then
        set -- "$@" --plot
    fi
fi
say "running $program $*"
exec "$program" "$@"
