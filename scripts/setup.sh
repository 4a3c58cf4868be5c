#!/usr/bin/env bash
# Finds out with scripts/probes.sh what the build (and with --tests the test suite) lacks, and installs it where it may.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/setup.sh [--tests] [--without-mpi] [--check] [--help]

Looks for what advstep-hpc is built from: a C compiler, OpenBLAS, HDF5, MPI, libclang and Rust.
What is missing is installed with apt-get on Debian and Ubuntu, as root or through sudo without a password.
Anywhere else the packages to install are listed and the script ends with code 1.

  --tests         look for what the test suite needs as well (LAPACK, mpirun, h5repack, nccopy, Python with venv)
  --without-mpi   leave out MPI, and libclang, which only MPI needs: for cargo build --locked --no-default-features
  --check         install nothing, only say what is missing
  --help          show this text

Respected as the build respects them: PKG_CONFIG_PATH, LIBRARY_PATH, HDF5_DIR, MPICC, MPI_PKG_CONFIG, CRAY_MPICH_DIR, LIBCLANG_PATH.
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
    # Code 1 says that something is missing; anything else, that the probes themselves failed.
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
            echo "setup: help: install, then start again:"
            echo "    Debian, Ubuntu:  apt-get install ${debian[*]}"
            echo "    Fedora, RHEL:    dnf install ${fedora[*]}"
            [[ " ${fedora[*]} " != *" openmpi-devel "* ]] || echo "                     module load mpi/openmpi-x86_64"
            echo "On a cluster, modules for OpenBLAS, HDF5 and MPI do as well. To build without MPI: scripts/setup.sh --without-mpi,"
            echo "then cargo build --release --locked --no-default-features"
        fi
    } >&2
    exit 1
}

install_missing() {
    local as_root=() log
    [[ $may_install == yes ]] || give_up "--check installs nothing"
    [[ ${#debian[@]} != 0 ]] || give_up "no package would help"
    command -v apt-get >/dev/null || give_up "there is no apt-get here, so this script cannot install them"
    if [[ $(id -u) != 0 ]]; then
        sudo -n true 2>/dev/null || give_up "this script may not install them: not root, and no sudo without a password"
        as_root=(sudo -n)
    fi
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
    say "installing ${debian[*]} with apt-get"
    "${apt[@]}" update </dev/null || say "apt-get update failed; trying with the lists that are there"
    if ! log=$("${apt[@]}" install -y --no-install-recommends "${debian[@]}" </dev/null 2>&1); then
        echo "$log" >&2
        give_up "apt-get could not install them, see above"
    fi
    look
    [[ ${#missing[@]} == 0 ]] || give_up "not usable although their packages are installed"
}

# Rust is left to the user.
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
        echo "setup: help: install it, then start again:"
        echo "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
        echo "    source \"\$HOME/.cargo/env\""
        echo "or, where rustup is there already: rustup update stable"
    } >&2
    exit 1
}

say "looking for what advstep-hpc is built from"
look
[[ ${#missing[@]} == 0 ]] || install_missing
check_rust
