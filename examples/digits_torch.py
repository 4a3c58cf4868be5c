#!/usr/bin/env python3
"""Trains a classifier of scikit-learn's digits in PyTorch and saves what `advstep-hpc measure` takes, before and after training.

    digits_torch.py DIRECTORY

Needs PyTorch, scikit-learn and safetensors. Writes before.safetensors and after.safetensors, the state_dicts of 64 -> 64 -> 32 -> 10 with ReLU, and
held.npz, 500 images of 8 x 8 pixels in [0, 1] that it was not trained on (X) with their labels (y). Prints the accuracy.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

EPOCHS = 60

torch.manual_seed(0)
# A network this small gains nothing from more.
torch.set_num_threads(1)
out = Path(sys.argv[1])
digits = load_digits()
x, x_held, y, y_held = train_test_split(digits.data / 16, digits.target, test_size=500, random_state=0)
np.savez(out / "held.npz", X=x_held, y=y_held)
x, y, x_held, y_held = torch.tensor(x).float(), torch.tensor(y), torch.tensor(x_held).float(), torch.tensor(y_held)

model = torch.nn.Sequential(
    torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)
)


def save(name):
    save_file(model.state_dict(), out / f"{name}.safetensors")
    with torch.no_grad():
        right = (model(x_held).argmax(1) == y_held).double().mean()
    print(f"{name} training: {100 * right:.1f} % of the {len(y_held)} held-out images are classified correctly")


save("before")
optimizer = torch.optim.Adam(model.parameters(), 1e-3)
for _ in range(EPOCHS):
    for batch in torch.randperm(len(x)).split(100):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
save("after")
