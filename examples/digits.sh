#!/usr/bin/env bash
# Smallest steps at real images: the digits bundled with scikit-learn (1797 images of 8 × 8 pixels) as inputs of random networks.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: examples/digits.sh [DIRECTORY]

Writes scikit-learn's digits to DIRECTORY/digits.npy, runs random networks on them in three directions, and draws the figures. DIRECTORY
defaults to results/digits; earlier output is replaced. On a fresh machine the script runs scripts/setup.sh, builds advstep-hpc, and installs
scikit-learn into the virtual environment DIRECTORY/venv.

  ADVSTEP_HPC      an existing advstep-hpc binary
  ADVSTEP_PYTHON   the Python to use (default python3); if it has scikit-learn, no environment is created
TEXT
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
esac
[[ $# -le 1 ]] || { usage >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-$here/results/digits}
say() { echo "digits: $*"; }

mkdir -p "$out"
python=${ADVSTEP_PYTHON:-python3}
if ! "$python" -c 'import sklearn' >"$out/python.log" 2>&1; then
    venv=$out/venv
    # The requirements are copied last, so an incomplete environment is rebuilt.
    if ! cmp -s "$here/examples/requirements.txt" "$venv/requirements.txt"; then
        say "creating the Python environment $venv with scikit-learn"
        rm -rf "$venv"
        if ! { "$python" -m venv "$venv" && "$venv/bin/python" -m pip install --quiet --requirement "$here/examples/requirements.txt"; } \
            >"$out/python.log" 2>&1; then
            cat "$out/python.log" >&2
            echo "digits: cannot install scikit-learn (see above) install it and name that Python in ADVSTEP_PYTHON; venv itself comes" \
                "with scripts/setup.sh --tests" >&2
            exit 1
        fi
        cp "$here/examples/requirements.txt" "$venv/"
    fi
    python=$venv/bin/python
fi
rm -f "$out/python.log"

program=${ADVSTEP_HPC:-}
if [[ -z $program ]]; then
    "$here/scripts/setup.sh" >&2
    export PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
    cargo build --release --locked --manifest-path "$here/Cargo.toml"
    program=${CARGO_TARGET_DIR:-$here/target}/release/advstep-hpc
fi

"$python" - "$out/digits.npy" <<'PYTHON'
import sys

import numpy as np
from sklearn.datasets import load_digits

images = load_digits().images  # (1797, 8, 8), pixels from 0 to 16
np.save(sys.argv[1], images)
print(f"{sys.argv[1]}: {images.shape[0]} images of {images.shape[1]} x {images.shape[2]}")
PYTHON

"$program" run --depths 1,2,3 --widths 10,100,1000 --networks 50 --inputs 50 --inputs-law "file:$out/digits.npy" \
    --direction gradient,universal,random --out "$out/digits.h5" --overwrite
"$program" plot "$out/digits.h5"
