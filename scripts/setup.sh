#!/usr/bin/env bash
# Checks for what the build (and with --tests the test suite) needs from the system, and installs what is missing where it may.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/setup.sh [--tests] [--check] [--help]

Looks for what advstep-hpc is built from: a C compiler, pkg-config, OpenBLAS, MPI, HDF5, libclang and Rust.
What is missing is installed with apt-get on Debian and Ubuntu, as root or through sudo without a password.
Anywhere else the packages to install are listed and the script ends with code 1.

  --tests   look for what the test suite needs as well (Python with venv)
  --check   install nothing, only say what is missing
  --help    show this text
END
}

for_tests=no may_install=yes
for argument in "$@"; do
    case $argument in
        --tests) for_tests=yes ;;
        --check) may_install=no ;;
        -h | --help) usage; exit 0 ;;
        *) echo "setup: unknown argument $argument (see scripts/setup.sh --help)" >&2; exit 2 ;;
    esac
done

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { echo "setup: $*"; }

# --- Is it there? Each check tries the thing itself, so that libraries which did not come from a package count too. ---

# links CODE COMPILER [FLAG...]: whether a C program with the includes and calls in CODE compiles and links.
links() {
    printf '%s\n' "$1" >"$work/probe.c"
    # shellcheck disable=SC2068 # flags are meant to be split
    ${2} "$work/probe.c" -o "$work/probe" ${@:3} >"$work/log" 2>&1
}

has_cc() { links '#include <stdio.h>
int main(void) { return puts("") < 0; }' cc; }

has_pkg_config() { command -v pkg-config >"$work/log"; }

# flags LIBRARY FALLBACK: compiler flags by pkg-config, or the fallback.
flags() { pkg-config --cflags --libs "$1" 2>"$work/log" || echo "$2"; }

has_openblas() { links 'int openblas_get_parallel(void);
int main(void) { return openblas_get_parallel() < 0; }' cc "$(flags openblas -lopenblas)"; }

has_mpi() { command -v mpirun >"$work/log" && links '#include <mpi.h>
int main(void) { int major, minor; return MPI_Get_version(&major, &minor); }' "${MPICC:-mpicc}"; }

has_hdf5() {
    local fallback=-lhdf5
    [[ -n ${HDF5_DIR:-} ]] && fallback="-I$HDF5_DIR/include -L$HDF5_DIR/lib -lhdf5"
    links '#include <hdf5.h>
#include <hdf5_hl.h>
int main(void) { return H5open() < 0; }' cc "$(flags hdf5 "$fallback")"
}

# bindgen loads libclang, which needs the headers of clang itself beside it.
has_libclang() {
    [[ -n ${LIBCLANG_PATH:-} ]] && return 0
    compgen -G '/usr/lib*/libclang*.so*' >"$work/log" || compgen -G '/usr/lib*/*/libclang*.so*' >"$work/log" ||
        compgen -G '/usr/lib/llvm*/lib/libclang*.so*' >"$work/log" || compgen -G '/usr/local/lib*/libclang*.so*' >"$work/log" ||
        return 1
    compgen -G '/usr/lib*/clang/*/include/stddef.h' >"$work/log" ||
        compgen -G '/usr/lib/llvm*/lib*/clang/*/include/stddef.h' >"$work/log" ||
        compgen -G '/usr/local/lib*/clang/*/include/stddef.h' >"$work/log"
}

has_venv() { python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))' >"$work/log" 2>&1; }

# --- What is missing ---

missing_things=() debian=() fedora=()

# need THING CHECK "DEBIAN PACKAGES" "FEDORA PACKAGES"
need() {
    if "$2"; then
        say "found    $1"
    else
        say "missing  $1"
        missing_things+=("$1")
        read -ra packages <<<"$3" && debian+=("${packages[@]}")
        read -ra packages <<<"$4" && fedora+=("${packages[@]}")
    fi
}

look() {
    missing_things=() debian=() fedora=()
    need "C compiler" has_cc "gcc libc6-dev" "gcc glibc-devel"
    need "pkg-config" has_pkg_config "pkg-config" "pkgconf-pkg-config"
    need "OpenBLAS" has_openblas "libopenblas-dev" "openblas-devel"
    need "MPI" has_mpi "libopenmpi-dev openmpi-bin" "openmpi-devel"
    need "HDF5" has_hdf5 "libhdf5-dev" "hdf5-devel"
    need "libclang" has_libclang "libclang-dev" "clang-devel"
    [[ $for_tests == no ]] || need "Python 3.10 with venv" has_venv "python3 python3-venv" "python3"
}

give_up() {
    {
        echo
        echo "setup: cannot go on: missing $(printf '%s, ' "${missing_things[@]}" | sed 's/, $//') ($1) install and start again:"
        echo "    Debian, Ubuntu:  apt-get install ${debian[*]}"
        echo "    Fedora, RHEL:    dnf install ${fedora[*]}"
        [[ " ${fedora[*]} " != *" openmpi-devel "* ]] || echo "                     module load mpi/openmpi-x86_64"
        echo "On a cluster, modules for OpenBLAS, MPI and HDF5 do as well; HDF5_DIR, MPICC and LIBCLANG_PATH are respected."
        echo "Without MPI and with the rest in place: cargo build --release --no-default-features"
    } >&2
    exit 1
}

install_missing() {
    local as_root=()
    [[ $may_install == yes ]] || give_up "--check installs nothing"
    command -v apt-get >"$work/log" || give_up "there is no apt-get here, so this script cannot install them"
    if [[ $(id -u) != 0 ]]; then
        sudo -n true 2>"$work/log" || give_up "this script may not install them: not root, and no sudo without a password"
        as_root=(sudo -n)
    fi
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
    say "installing ${debian[*]} with apt-get"
    "${apt[@]}" update </dev/null || say "apt-get update failed; trying with the lists that are there"
    if ! "${apt[@]}" install -y --no-install-recommends "${debian[@]}" </dev/null >"$work/apt" 2>&1; then
        cat "$work/apt" >&2
        give_up "apt-get could not install them, see above"
    fi
    look
    [[ ${#missing_things[@]} == 0 ]] || give_up "not usable although their packages are installed"
}

# --- Rust, which is left to the user ---

check_rust() {
    local wanted found
    wanted=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$root/Cargo.toml")
    found=$(cd "$root" && rustc --version 2>"$work/log" | cut -d' ' -f2) || found=
    if [[ -n $found ]] && cargo --version >"$work/log" 2>&1 && [[ $(printf '%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1) == "$wanted" ]]; then
        say "found    Rust $found"
        return
    fi
    {
        echo
        echo "setup: cannot go on: no Rust $wanted or newer (found: ${found:-none}) install it and start again:"
        echo "    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
        echo "    source \"\$HOME/.cargo/env\""
        echo "or, where rustup is there already: rustup update stable"
    } >&2
    exit 1
}

say "looking for what advstep-hpc is built from"
look
[[ ${#missing_things[@]} == 0 ]] || install_missing
check_rust
