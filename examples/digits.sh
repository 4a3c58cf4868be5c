#!/usr/bin/env bash
# Smallest steps at real images: scikit-learn's bundled digits (1797 images of 8 × 8 pixels) as inputs of random networks.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: examples/digits.sh [DIRECTORY]

Writes the digits of scikit-learn to DIRECTORY/digits.npy, runs random networks on them along three directions, and draws the figures.
DIRECTORY defaults to results/digits. Wants advstep-hpc built (cargo build --release), or its path in ADVSTEP_HPC, and a Python
with scikit-learn, python3 or the one in ADVSTEP_PYTHON.
TEXT
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
esac
here=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$here/results/digits}
program=${ADVSTEP_HPC:-${CARGO_TARGET_DIR:-$here/target}/release/advstep-hpc}
python=${ADVSTEP_PYTHON:-python3}

mkdir -p "$out"
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
