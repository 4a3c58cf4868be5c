#!/usr/bin/env bash
# The tests that start MPI jobs, with MPICH in place of Open MPI.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/test-mpich.sh [ARGUMENTS OF cargo test]

Installs MPICH beside Open MPI where it is missing (root on Debian or Ubuntu; mpicc and mpirun stay those of the library they were),
builds the program with it in target/mpich, and runs the tests of tests/mpi.rs through mpirun.mpich, after the unit tests of what MPI libraries
say of themselves. The arguments are for the former.
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { echo "test-mpich: $*"; }
source scripts/common.sh

if ! command -v mpicc.mpich >/dev/null || ! command -v mpirun.mpich >/dev/null; then
    command -v apt-get >/dev/null || { echo "test-mpich: no mpicc.mpich and no apt-get to install it with" >&2; exit 1; }
    say "installing mpich and libmpich-dev with apt-get"
    default_compiler=$(readlink -f "$(command -v mpicc)" || true)
    apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
    "${apt[@]}" update </dev/null || say "apt-get update failed; trying with the lists that are there"
    "${apt[@]}" install -y --no-install-recommends mpich libmpich-dev </dev/null
    # On Debian Open MPI ranks higher, so both alternatives stay as they are.
    [[ -z $default_compiler || $(readlink -f "$(command -v mpicc)") == "$default_compiler" ]] ||
        say "mpicc is now that of MPICH: update-alternatives --config mpi changes it back"
fi

export MPICC=mpicc.mpich
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")/mpich
export CARGO_TARGET_DIR
export ADVSTEP_MPIRUN=mpirun.mpich
say "testing with $(mpichversion | head -n 1)"
cargo test --release --locked --lib provenance
cargo test --release --locked --no-fail-fast --test program mpi:: "$@"
say "passed"
