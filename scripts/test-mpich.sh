#!/usr/bin/env bash
# Runs the MPI tests with MPICH instead of Open MPI.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/test-mpich.sh [ARGUMENTS OF cargo test]

Installs MPICH beside Open MPI if missing (as root on Debian or Ubuntu; mpicc and mpirun stay as they are), builds the program with it in
target/mpich, and runs the unit tests of the library versions and the tests of tests/program/mpi.rs with mpirun.mpich. The arguments are
passed to the latter.
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { echo "test-mpich: $*"; }
source scripts/common.sh

if ! command -v mpicc.mpich >/dev/null || ! command -v mpirun.mpich >/dev/null; then
    command -v apt-get >/dev/null || { echo "test-mpich: mpicc.mpich is missing, and there is no apt-get to install it" >&2; exit 1; }
    say "installing mpich and libmpich-dev with apt-get"
    default_compiler=$(readlink -f "$(command -v mpicc)" || true)
    apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
    "${apt[@]}" update </dev/null || say "apt-get update failed; continuing with the existing package lists"
    "${apt[@]}" install -y --no-install-recommends mpich libmpich-dev </dev/null
    # On Debian Open MPI has the higher priority, so the alternatives stay as they are.
    [[ -z $default_compiler || $(readlink -f "$(command -v mpicc)") == "$default_compiler" ]] ||
        say "mpicc is now MPICH's; to change it back: update-alternatives --config mpi"
fi

export MPICC=mpicc.mpich
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")/mpich
export CARGO_TARGET_DIR
export ADVSTEP_MPIRUN=mpirun.mpich
say "testing with $(mpichversion | head -n 1)"
cargo test --release --locked --lib provenance
cargo test --release --locked --no-fail-fast --test program mpi:: "$@"
say "passed"
