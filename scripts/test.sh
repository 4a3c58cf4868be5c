#!/usr/bin/env bash
# Sets everything up and runs the whole test suite.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/test.sh [ARGUMENTS OF cargo test]

Installs missing dependencies (see scripts/setup.sh --help), creates a Python environment with h5py and xarray in target/venv, builds the
program without MPI, then runs all tests of the program with MPI; some of them start mpirun and Python.

Examples:
  scripts/test.sh                  everything
  scripts/test.sh --lib            unit tests only
  scripts/test.sh --test library   the tests of tests/library/
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { echo "test: $*"; }

scripts/setup.sh --tests
source scripts/common.sh
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

# Downloads, while the compiler is busy.
(
    python_environment "$target/venv" scripts/requirements-test.txt
    python_environment "$target/venv-attacks" scripts/requirements-attacks.txt
) &
environments=$!
trap 'kill "$environments" 2>/dev/null || true' EXIT
export ADVSTEP_PYTHON=$target/venv/bin/python ADVSTEP_ATTACKS_PYTHON=$target/venv-attacks/bin/python

# First, because both builds write the same file and the one with MPI is to remain.
say "building without MPI"
cargo build --release --locked --no-default-features
"$target/release/advstep-hpc" --version

wait "$environments"
trap - EXIT
say "testing"
cargo test --release --locked --no-fail-fast "$@"
say "all tests passed"
