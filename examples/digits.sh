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
# shellcheck source=examples/prepare.sh
source "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"
out=${1:-$here/results/digits}
prepare digits "$out" sklearn

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
