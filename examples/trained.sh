#!/usr/bin/env bash
# A network before and after training: scikit-learn's MLPClassifier on its digits, measured on held-out images.
set -euo pipefail

usage() {
    cat <<'TEXT'
Usage: examples/trained.sh [DIRECTORY]

Trains a network of 64 -> 64 -> 32 -> 10 on scikit-learn's digits (1797 images of 8 x 8 pixels, scaled to [0, 1]), writes it to DIRECTORY as it is
before and after training (.safetensors), with the held-out images and their labels (.npz), and measures how far each image is from another class:
along the gradient, and to the nearest one found. DIRECTORY defaults to results/trained; earlier output is replaced. On a fresh machine the script
runs scripts/setup.sh, builds advstep-hpc, and installs scikit-learn and safetensors into the virtual environment DIRECTORY/venv.

  ADVSTEP_HPC      an existing advstep-hpc binary
  ADVSTEP_PYTHON   the Python to use (default python3); if it has both packages, no environment is created
TEXT
}

case "${1:-}" in
    -h | --help) usage; exit 0 ;;
esac
[[ $# -le 1 ]] || { usage >&2; exit 2; }
# shellcheck source=examples/prepare.sh
source "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"
out=${1:-$here/results/trained}
prepare trained "$out" sklearn safetensors

"$python" - "$out" <<'PYTHON'
import sys
import warnings
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

out = Path(sys.argv[1])
digits = load_digits()
x, x_held, y, y_held = train_test_split(digits.data / 16, digits.target, test_size=500, random_state=0)
np.savez(out / "held.npz", X=x_held, y=y_held)

warnings.filterwarnings("ignore", message="Stochastic Optimizer")
for name, steps in [
    # One step of no length, because scikit-learn draws the weights in fit.
    ("before", {"max_iter": 1, "learning_rate_init": 1e-12}),
    ("after", {"max_iter": 200}),
]:
    network = MLPClassifier((64, 32), random_state=0, **steps).fit(x, y)
    # PyTorch's form: outputs x inputs, where scikit-learn has inputs x outputs.
    tensors = {}
    for layer, (w, b) in enumerate(zip(network.coefs_, network.intercepts_)):
        tensors[f"{2 * layer}.weight"] = np.ascontiguousarray(w.T)
        tensors[f"{2 * layer}.bias"] = b
    save_file(tensors, out / f"{name}.safetensors", metadata={"activation": "relu"})
    print(f"{name} training: {100 * network.score(x_held, y_held):.1f} % of the {len(y_held)} held-out images are classified correctly")
PYTHON

for network in before after; do
    "$program" measure "$out/$network.safetensors" --inputs "$out/held.npz" --logits predicted --direction gradient,nearest \
        --out "$out/$network.h5" --overwrite --quiet --figures "$out/figures-$network"
    "$program" show "$out/$network.h5"
done
