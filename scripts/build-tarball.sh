#!/usr/bin/env bash
# Makes a tarball of the serial program with its libraries, man pages and completions, out of a wheel.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/build-tarball.sh WHEEL [DIRECTORY]

Writes advstep-hpc-VERSION-linux-ARCHITECTURE.tar.gz into DIRECTORY (default: that of the wheel, which scripts/build-wheel.sh built). Unpacked
anywhere, bin/advstep-hpc runs: it finds its libraries beside bin. The directories of share/ are those of a prefix such as /usr/local.
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac
[[ $# == 1 || $# == 2 ]] || { usage >&2; exit 2; }

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
wheel=$(realpath "$1")
out=$(realpath -m "${2:-$(dirname "$wheel")}")
# advstep_hpc-0.1.0-py3-none-manylinux_2_34_x86_64.whl
[[ ${wheel##*/} =~ ^advstep_hpc-([^-]+)-.*(x86_64|aarch64)\.whl$ ]] || { echo "tarball: error: $1 is not a wheel of advstep-hpc" >&2; exit 2; }
name=advstep-hpc-${BASH_REMATCH[1]}-linux-${BASH_REMATCH[2]}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m zipfile -e "$wheel" "$work/wheel"

tree=$work/$name
mkdir -p "$tree"/bin "$tree"/share/{man/man1,bash-completion/completions,zsh/site-functions,fish/vendor_completions.d}
# The program looks for its libraries in ../advstep_hpc.libs.
install "$work/wheel/advstep_hpc.scripts/advstep-hpc" "$tree/bin/"
cp -r "$work/wheel/advstep_hpc.libs" "$tree/"
cp "$root"/{README.md,CHANGELOG.md,LICENSE-MIT,LICENSE-APACHE} "$tree/"

program=$tree/bin/advstep-hpc
"$program" man --out "$tree/share/man/man1"
"$program" completions bash >"$tree/share/bash-completion/completions/advstep-hpc"
"$program" completions zsh >"$tree/share/zsh/site-functions/_advstep-hpc"
"$program" completions fish >"$tree/share/fish/vendor_completions.d/advstep-hpc.fish"

mkdir -p "$out"
tar -C "$work" --owner=0 --group=0 --sort=name -czf "$out/$name.tar.gz" "$name"

# Tried as a user would, away from where it was made.
mkdir "$work/elsewhere"
tar -C "$work/elsewhere" -xzf "$out/$name.tar.gz"
cd "$work/elsewhere"
"$name/bin/advstep-hpc" --depths 1 --dims 10 --widths 20 --networks 2 --inputs 3 --out small.h5
"$name/bin/advstep-hpc" show small.h5
echo "tarball: $out/$name.tar.gz"
