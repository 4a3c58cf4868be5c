#!/usr/bin/env bash
# Builds a Python wheel with the serial program and all libraries it needs, and tests it.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/build-wheel.sh [DIRECTORY]

Builds the serial program with maturin, into a wheel in DIRECTORY (default target/wheels). The wheel holds OpenBLAS, HDF5 and whatever
these need, except the C library: it runs on Linux systems whose glibc is as new as this machine's, as the wheel's name says.

Then installs it in a fresh virtual environment and runs it where the system's own copies of these libraries cannot be loaded, in a mount
namespace of its own. Where the system allows none, it only checks which libraries the program loads while it runs, and says so.

Debian's HDF5 needs libcurl, and so the wheel holds curl, OpenSSL and Kerberos too. HDF5_DIR=PREFIX names another HDF5.
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac
[[ $# -le 1 ]] || { usage >&2; exit 2; }

out=${1:+$(realpath -m "$1")}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
out=${out:-$target/wheels} profile=${ADVSTEP_PROFILE:-release}
say() { echo "wheel: $*"; }

scripts/setup.sh --without-mpi
source scripts/common.sh
work=$(mktemp -d)
# maturin changes the library names in cargo's own copy of the program, which the next build would take as it is: cargo is to link it again.
clean_up() {
    rm -rf "$work"
    grep -lsF 'ORIGIN/../advstep_hpc.libs' "$target/$profile/deps"/advstep_hpc-* | xargs -r rm
}
trap clean_up EXIT

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    echo "wheel: error: no Python 3 with venv" >&2
    echo "wheel: help: apt-get install python3-venv" >&2
    exit 1
fi
tools=$target/wheel-tools
python_environment "$tools" scripts/requirements-wheel.txt

say "building"
# The program of the last cargo build, perhaps with MPI, has the same path; it is put back.
built=$target/$profile/advstep-hpc plain=$work/advstep-hpc
[[ ! -e $built ]] || cp -p "$built" "$work/before"
PATH=$tools/bin:$PATH "$tools/bin/maturin" build --profile "$profile" --auditwheel repair --out "$work/wheel" >"$work/log" 2>&1 ||
    { cat "$work/log" >&2; exit 1; }
mv "$built" "$plain"
[[ ! -e $work/before ]] || mv "$work/before" "$built"
wheel=$(echo "$work"/wheel/*.whl)
say "${wheel##*/}, $(du -h "$wheel" | cut -f1)"

say "installing"
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --no-index "$wheel"
site=$("$work/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
program=$(find "$site" -path '*.scripts/advstep-hpc')

# Of the paths of libraries on standard input those that are not the C library and its companions, which a wheel may expect of any system (PEP 600).
not_of_any_system() { grep -vE '(^|/)(ld-linux[^/]*|lib(c|m|dl|pthread|rt|util|resolv|gcc_s|stdc\+\+|z|expat))\.so[^/]*$'; }

# Paths of the libraries that the loader takes for the program $1.
libraries() { ldd "$1" | sed -nE 's/^[[:space:]]*[^ ]+ => ([^ ]+).*/\1/p' | not_of_any_system; }

# Refuses libraries, on standard input, that are neither in the wheel nor on every system.
in_wheel() {
    local outside
    outside=$(grep -vF "$site/" | not_of_any_system | sort -u || true)
    [[ -z $outside ]] || { echo "wheel: error: libraries that are not in the wheel: $outside" >&2; exit 1; }
}

libraries "$program" | in_wheel

small=(--depths 1,2 --dims 10 --widths 20,30 --networks 3 --inputs 4 --threads 2 --out mine.h5 --plot=svg,pdf)

# Runs in a mount namespace, where it hides the files from the fifth argument on.
cat >"$work/test.sh" <<'END'
set -eu
work=$1 program=$2 plain=$3 small=$4
shift 4
for file; do mount --bind /dev/null "$file"; done
if "$plain" --version >/dev/null 2>&1; then
    echo "wheel: error: the system's libraries are not hidden" >&2
    exit 1
fi
cd "$work"
"$program" --version
# shellcheck disable=SC2086 # words
"$program" $small >/dev/null
"$program" show mine.h5
END
mapfile -t hidden < <(libraries "$plain" | xargs realpath | sort -u)
namespace=(unshare --mount)
[[ $(id -u) == 0 ]] || namespace=(unshare --map-root-user --mount)
if "${namespace[@]}" true 2>/dev/null; then
    say "running it without the system's ${#hidden[@]} libraries: ${hidden[*]##*/}"
    "${namespace[@]}" sh "$work/test.sh" "$work" "$work/venv/bin/advstep-hpc" "$plain" "${small[*]}" "${hidden[@]}"
else
    say "no mount namespace here: not run without the system's libraries, only checked that it loads those of the wheel"
    "$work/venv/bin/advstep-hpc" --version
    (cd "$work" && LD_DEBUG=files LD_DEBUG_OUTPUT=$work/loaded "$program" "${small[@]}" >/dev/null && "$work/venv/bin/advstep-hpc" show mine.h5)
    loaded=$(sed -nE 's/.*calling init: //p' "$work"/loaded.* | sort -u)
    [[ $loaded == *openblas* && $loaded == *hdf5* ]] || { echo "wheel: error: the loader does not tell what it loads" >&2; exit 1; }
    in_wheel <<<"$loaded"
fi

mkdir -p "$out"
cp "$wheel" "$out/"
say "passed: $out/${wheel##*/}"
