#!/usr/bin/env bash
# Kills and resumes runs until they finish, and compares their results with an undisturbed run.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/torture.sh [RUNS [SEED]]

Runs a small experiment RUNS times (default 50). Each run is killed with SIGKILL at random times, either one rank under mpirun or the whole
job, and resumed with other numbers of ranks and threads until it finishes. Prints for each run whether its results equal those of an
undisturbed run, and a total at the end. The exit code is 0 if all are equal. Takes some minutes on two cores.

Examples:
  scripts/torture.sh
  scripts/torture.sh 200 7
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/common.sh
cargo bench --locked --bench torture -- "$@"
