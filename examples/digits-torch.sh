#!/usr/bin/env bash
# A PyTorch network before and after training, measured on held-out images of digits.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: examples/digits-torch.sh [DIRECTORY]

Trains a network in PyTorch (examples/digits_torch.py) and measures how far each of 500 held-out images is from another class, before and after:
along the gradient, and to the nearest flip found. DIRECTORY defaults to results/digits-torch; earlier output is replaced.

  ADVSTEP_HPC      the program (default: advstep-hpc)
  ADVSTEP_PYTHON   a Python with torch, scikit-learn and safetensors (default: python3)
TEXT
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
esac
[[ $# -le 1 ]] || { usage >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here/../results/digits-torch}
program=${ADVSTEP_HPC:-advstep-hpc}
python=${ADVSTEP_PYTHON:-python3}
if ! "$python" -c 'import torch, sklearn, safetensors'; then
    echo "digits-torch: install them (pip install torch -r examples/requirements.txt), or name another Python in ADVSTEP_PYTHON" >&2
    exit 1
fi

mkdir -p "$out"
"$python" "$here/digits_torch.py" "$out"
for network in before after; do
    "$program" measure "$out/$network.safetensors" --activation relu --inputs "$out/held.npz" --logits predicted \
        --direction gradient,sign,nearest --out "$out/$network.h5" --overwrite --quiet --figures "$out/figures-$network"
    "$program" show "$out/$network.h5"
done
