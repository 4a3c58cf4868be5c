#!/usr/bin/env bash
# Runs that are killed and resumed until they are done, compared with a run that nobody touched.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/torture.sh [RUNS [SEED]]

Runs a small experiment RUNS times (default 50). Each is killed with SIGKILL at random moments, a single rank under mpirun or the whole
job, and started again with other ranks and threads until it is done. Prints for each whether its results file holds the same science as
that of an undisturbed run, and at the end how many survived. The exit code is 0 if all did. Takes some minutes on two cores.

Examples:
  scripts/torture.sh
  scripts/torture.sh 200 7
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
cargo bench --locked --bench torture -- "$@"
