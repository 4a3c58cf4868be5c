#!/usr/bin/env bash
# Checks the build dependencies (with --tests also those of the test suite) with scripts/probes.sh, and installs missing ones if it can.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/setup.sh [--tests] [--without-mpi] [--check] [--help]

Checks the build dependencies of advstep-hpc: a C compiler, OpenBLAS, HDF5, MPI, libclang and Rust.
On Debian and Ubuntu, missing ones are installed with apt-get, as root or with passwordless sudo.
Elsewhere the packages to install are listed and the exit code is 1.

  --tests         also check the dependencies of the test suite (mpirun, h5repack, nccopy, Python with venv)
  --without-mpi   skip MPI, and libclang, which only MPI needs: for cargo build --locked --no-default-features
  --check         install nothing, only list what is missing
  --help          show this text

Honours the same variables as the build: PKG_CONFIG_PATH, LIBRARY_PATH, HDF5_DIR, MPICC, MPI_PKG_CONFIG, CRAY_MPICH_DIR, LIBCLANG_PATH.
END
}

probes=() may_install=yes
for argument in "$@"; do
    case $argument in
        --tests | --without-mpi) probes+=("$argument") ;;
        --check) may_install=no ;;
        -h | --help) usage; exit 0 ;;
        *) echo "setup: unknown argument $argument (see scripts/setup.sh --help)" >&2; exit 2 ;;
    esac
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"

say() { echo "setup: $*"; }

missing=() remedies=() debian=() fedora=()

look() {
    local lines state thing text help for_debian for_fedora packages
    missing=() remedies=() debian=() fedora=()
    # Exit code 1: something is missing; others: the probes failed.
    lines=$(sh "$root/scripts/probes.sh" "${probes[@]}") || (($? == 1)) || exit 2
    while IFS=$'\t' read -r state thing text help for_debian for_fedora; do
        if [[ $state == found ]]; then
            say "found    $thing ($text)"
            continue
        fi
        say "missing  $thing: $text"
        missing+=("$thing")
        [[ -n $for_debian ]] || remedies+=("$thing: $help")
        read -ra packages <<<"$for_debian" && debian+=("${packages[@]}")
        read -ra packages <<<"$for_fedora" && fedora+=("${packages[@]}")
    done <<<"$lines"
}

give_up() {
    local names
    names=$(printf ', %s' "${missing[@]}")
    {
        echo "setup: error: missing ${names:2}: $1"
        [[ ${#remedies[@]} == 0 ]] || printf 'setup: help: %s\n' "${remedies[@]}"
        if [[ ${#debian[@]} != 0 ]]; then
            echo "setup: help: install these packages and run this script again:"
            echo "    Debian, Ubuntu:  apt-get install ${debian[*]}"
            echo "    Fedora, RHEL:    dnf install ${fedora[*]}"
            [[ " ${fedora[*]} " != *" openmpi-devel "* ]] || echo "                     module load mpi/openmpi-x86_64"
            echo "On a cluster, load modules for OpenBLAS, HDF5 and MPI instead. To build without MPI: scripts/setup.sh --without-mpi,"
            echo "then cargo build --release --locked --no-default-features"
        fi
    } >&2
    exit 1
}

install_missing() {
    local as_root=() log
    [[ $may_install == yes ]] || give_up "--check installs nothing"
    [[ ${#debian[@]} != 0 ]] || give_up "no package provides them"
    command -v apt-get >/dev/null || give_up "this script cannot install them without apt-get"
    if [[ $(id -u) != 0 ]]; then
        sudo -n true 2>/dev/null || give_up "this script cannot install them without root or passwordless sudo"
        as_root=(sudo -n)
    fi
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
    say "installing ${debian[*]} with apt-get"
    "${apt[@]}" update </dev/null || say "apt-get update failed; continuing with the existing package lists"
    if ! log=$("${apt[@]}" install -y --no-install-recommends "${debian[@]}" </dev/null 2>&1); then
        echo "$log" >&2
        give_up "apt-get failed, see above"
    fi
    look
    [[ ${#missing[@]} == 0 ]] || give_up "not usable although the packages are installed"
}

# Rust is not installed, only checked.
check_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$root/Cargo.toml")
    found=$(cd "$root" && rustc --version 2>/dev/null | cut -d' ' -f2) || found=
    if [[ -n $found ]] && cargo --version >/dev/null 2>&1 && [[ $(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1) == "$wanted" ]]; then
        say "found    Rust $found"
        return
    fi
    {
        echo "setup: error: no Rust $wanted or newer: found ${found:-none}"
        echo "setup: help: install it and run this script again:"
        echo "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
        echo "    source \"\$HOME/.cargo/env\""
        echo "or, if rustup is installed: rustup update stable"
    } >&2
    exit 1
}

say "checking the build dependencies of advstep-hpc"
look
[[ ${#missing[@]} == 0 ]] || install_missing
check_rust
