#!/usr/bin/env bash
# Builds the serial program for 64-bit Arm, tests its kernels in emulation, and compares its results with those of the program for this machine.
set -euo pipefail

usage() {
    cat <<'USAGE'
Usage: scripts/test-aarch64.sh [--help]

Cross-builds the program without MPI for aarch64 Linux, with warnings as errors, and runs it with QEMU's user-mode emulation:
  1. the tests of kernels, precision bf16x3, random numbers and linear algebra in tests/library/;
  2. cells of every engine, search, activation and direction, at every precision, also on this machine: `compare` must find no difference.

Needs Debian or Ubuntu. Installs a cross compiler and QEMU if missing (as root or with passwordless sudo) and the Rust target (rustup); OpenBLAS
and HDF5 for arm64 are unpacked in target/aarch64 and not installed. HDF5 of this machine (scripts/setup.sh) must be of the same version.

Environment:
  ADVSTEP_PROFILE  cargo profile of both programs [default: release]
  ADVSTEP          program for this machine [default: built with cargo]
USAGE
}

case ${1:-} in
    -h | --help) usage; exit 0 ;;
    '') ;;
    *) echo "test-aarch64: unknown argument $1 (see scripts/test-aarch64.sh --help)" >&2; exit 2 ;;
esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
say() { echo "test-aarch64: $*"; }
fail() { echo "test-aarch64: error: $*" >&2; exit 1; }
source scripts/common.sh

profile=${ADVSTEP_PROFILE:-release}
triple=aarch64-unknown-linux-gnu
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
place=$target/aarch64 sysroot=$target/aarch64/sysroot
libraries=$sysroot/usr/lib/aarch64-linux-gnu

install_tools() {
    local missing=() as_root=()
    command -v aarch64-linux-gnu-gcc >/dev/null || missing+=(gcc-aarch64-linux-gnu)
    command -v qemu-aarch64-static >/dev/null || missing+=(qemu-user-static)
    rustup target add "$triple"
    [[ ${#missing[@]} != 0 ]] || return 0
    command -v apt-get >/dev/null || fail "missing ${missing[*]}, and there is no apt-get to install them"
    if [[ $(id -u) != 0 ]]; then
        sudo -n true 2>/dev/null || fail "missing ${missing[*]}: install them, or run this script as root or with passwordless sudo"
        as_root=(sudo -n)
    fi
    say "installing ${missing[*]} with apt-get"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -qq)
    "${apt[@]}" update </dev/null || say "apt-get update failed; continuing with the existing package lists"
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null
}

# Downloads the arm64 libraries with the lists and the cache of an apt of its own, so that the system's knows no foreign architecture, and unpacks them.
unpack_libraries() {
    [[ ! -e $sysroot/complete ]] || return 0
    say "unpacking OpenBLAS and HDF5 for arm64 in $sysroot"
    rm -rf "$place"
    mkdir -p "$place"/apt/{etc,lists/partial,cache/archives/partial} "$sysroot"
    : >"$place/apt/status"
    local source apt=(apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Debug::NoLocking=1
        -o Dir::State="$place/apt" -o Dir::State::status="$place/apt/status" -o Dir::State::lists="$place/apt/lists"
        -o Dir::Cache="$place/apt/cache" -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$place/apt/etc")
    # Ubuntu has arm64 on other servers.
    for source in /etc/apt/sources.list /etc/apt/sources.list.d/{debian,ubuntu}.sources; do
        [[ ! -s $source ]] ||
            sed -E 's#https?://[^ /]*(archive|security)\.ubuntu\.com/ubuntu#http://ports.ubuntu.com/ubuntu-ports#' "$source" \
                >"$place/apt/etc/${source##*/}"
    done
    "${apt[@]}" update
    "${apt[@]}" -y --no-install-recommends --download-only install libc6-dev libhdf5-dev libopenblas-dev
    for source in "$place"/apt/cache/archives/*.deb; do dpkg -x "$source" "$sysroot"; done
    # As on a system with a merged /usr.
    if [[ -d $sysroot/lib && ! -L $sysroot/lib ]]; then
        cp -a "$sysroot/lib/." "$sysroot/usr/lib/"
        rm -rf "${sysroot:?}/lib"
        ln -s usr/lib "$sysroot/lib"
    fi
    rm -rf "$place/apt"
    touch "$sysroot/complete"
}

# Descriptions of both libraries for the build scripts. HDF5's loads the library to ask for its version: it finds ours, cannot, and tries the next, which
# is that of this machine; the linker skips it.
describe_libraries() {
    local ours
    ours=$(pkg-config --variable=libdir hdf5 2>/dev/null || true)
    ours=${ours:-$(pkg-config --libs-only-L hdf5 | sed 's/^-L//; s/ .*//')}
    [[ -e $ours/libhdf5.so ]] || fail "cannot find libhdf5.so of this machine: run scripts/setup.sh first"
    mkdir -p "$place/pkgconfig" "$place/host"
    ln -sfn "$(realpath "$ours/libhdf5.so")" "$place/host/libhdf5.so"
    local version
    version=$(sed -n 's/^#define H5_VERSION "\(.*\)"/\1/p' "$sysroot/usr/include/hdf5/serial/H5pubconf.h")
    printf '%s\n' "Name: HDF5" "Description: HDF5 for arm64" "Version: ${version%%-*}" "Cflags: -I$sysroot/usr/include/hdf5/serial" \
        "Libs: -L$libraries/hdf5/serial -L$place/host -lhdf5" >"$place/pkgconfig/hdf5.pc"
    printf '%s\n' "Name: openblas" "Description: OpenBLAS for arm64" "Version: 0" "Libs: -L$libraries/openblas-pthread -lopenblas" \
        >"$place/pkgconfig/openblas.pc"
}

install_tools
unpack_libraries
describe_libraries

emulator=(qemu-aarch64-static -L "$sysroot" -E "LD_LIBRARY_PATH=$libraries:$libraries/openblas-pthread")
cross() {
    CFLAGS_aarch64_unknown_linux_gnu="-isystem $sysroot/usr/include/aarch64-linux-gnu -isystem $sysroot/usr/include" \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="${emulator[*]}" \
        RUSTFLAGS="-Dwarnings -Clink-arg=--sysroot=$sysroot -Clink-arg=-Wl,-rpath-link,$libraries:$libraries/openblas-pthread" \
        PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_LIBDIR="$place/pkgconfig" PKG_CONFIG_PATH='' \
        cargo "$1" --locked --profile "$profile" --target "$triple" --no-default-features "${@:2}"
}

say "building for $triple"
cross build
arm=("${emulator[@]}" "$target/$triple/$profile/advstep-hpc")
"${arm[@]}" --version
if [[ -z ${ADVSTEP:-} ]]; then
    say "building for this machine"
    cargo build --locked --profile "$profile"
    ADVSTEP=$target/$profile/advstep-hpc
fi

say "testing kernels, precision bf16x3, random numbers and linear algebra in emulation"
cross test --test library -- kernels:: bf16x3:: random:: linalg::

# cells NAME ARGUMENTS...: the same run on both.
work=$(mktemp -d "$place/cells.XXXXXX")
trap 'rm -rf "$work"' EXIT
cells() {
    local name=$1 differs=no
    shift
    "$ADVSTEP" run --quiet --seed 7 --networks 2 --threads 1 --memory 2GiB "$@" --out "$work/$name.h5"
    "${arm[@]}" run --quiet --seed 7 --networks 2 --threads 1 --memory 2GiB "$@" --out "$work/$name.arm.h5"
    "$ADVSTEP" compare "$work/$name.h5" "$work/$name.arm.h5" || differs=yes
    [[ $differs == no ]] || fail "$name differs: advstep-hpc run $*"
    say "same results: $name"
}

say "comparing results"
cells auto --depths 1,2,3 --dims 10,20,300 --widths 10,100,300,600 --inputs 10
cells dense --engine dense --depths 1,2,3 --dims 20,300 --widths 30,300,600 --inputs 20
cells implicit --engine implicit --depths 1,2,3 --dims 20,300 --widths 30,300,600 --inputs 20
cells shallow --engine implicit --depths 1 --dims 40,600 --widths 100,9000 --inputs 20
cells traced --search exact --depths 2,3 --dims 10 --widths 20,120 --inputs 10
cells f64 --precision f64 --depths 1,2,3 --dims 10,100 --widths 30,300 --inputs 10
cells f64-implicit --precision f64 --engine implicit --depths 1,2,3 --dims 40 --widths 30,300 --inputs 10
cells bf16x3 --precision bf16x3 --engine dense --depths 1,2 --dims 20,100 --widths 30,300 --inputs 10
cells bf16x3-implicit --precision bf16x3 --engine implicit --depths 1,2 --dims 40 --widths 100,300 --inputs 10
cells limit --depths 1,3 --dims 10,100 --widths inf --inputs 20
cells directions --direction gradient,sign,random,descent,nearest --depths 1,2 --dims 10 --widths 30 --inputs 5
cells certified --direction gradient,nearest --certify --depths 1 --dims 20 --widths 100 --inputs 5
cells gaussian --readout gaussian --bias --inputs-law gaussian --depths 1,2 --dims 20 --widths 200 --inputs 10
for psi in leaky-relu tanh erf softplus gelu silu sine; do
    cells "$psi" --activation "$psi" --depths 1,2 --dims 20 --widths 30,200 --inputs 5
done
say "passed"
