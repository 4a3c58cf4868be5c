"""Writes the files of tests/corpus/networks: one small network, and its inputs and outputs, by the libraries that other programs use.

Usage: make_networks.py DIRECTORY

Needs numpy, safetensors, h5py and onnx. The network is 3 -> 4 -> 5 -> 2 with ReLU; its numbers are multiples of 1/8, so every precision holds them.
"""

import sys
from pathlib import Path

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

directory = Path(sys.argv[1])
random = np.random.default_rng(1)


def eighths(*shape):
    return random.integers(-16, 17, shape) / 8


sizes = [3, 4, 5, 2]
weights = [eighths(m, n) for n, m in zip(sizes, sizes[1:])]
biases = [eighths(m) for m in sizes[1:]]
x, y = eighths(6, 3), np.arange(6) % 2

h = x
for layer, (w, b) in enumerate(zip(weights, biases)):
    h = h @ w.T + b
    h = np.maximum(h, 0) if layer < 2 else h
np.savez(directory / "inputs.npz", X=x, y=y)
np.save(directory / "outputs.npy", h)
with h5py.File(directory / "inputs.h5", "w") as file:
    file["images"] = x.reshape(6, 1, 3).astype(np.float32)
    file["labels"] = [f"class {label}" for label in y]
np.savetxt(directory / "inputs.csv", np.column_stack([x, y]), delimiter=",", header="a,b,c,y", comments="", fmt="%g")

state = {}
for layer, (w, b) in enumerate(zip(weights, biases)):
    state[f"layers.{2 * layer + 8}.weight"] = w
    state[f"layers.{2 * layer + 8}.bias"] = b
for name, precision in [("f64", np.float64), ("f32", np.float32), ("f16", np.float16)]:
    save_file({key: value.astype(precision) for key, value in state.items()}, directory / f"{name}.safetensors")
np.savez(directory / "stored.npz", **state)
np.savez_compressed(directory / "deflated.npz", *[array.astype(np.float32) for pair in zip(weights, biases) for array in pair])


def model(name, nodes, tensors):
    info = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["batch", size]) for n, size in [("input", 3), ("output", 2)]]
    initializers = [numpy_helper.from_array(value.astype(np.float32), key) for key, value in tensors.items()]
    graph = helper.make_graph(nodes, "g", info[:1], info[1:], initializers)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), directory / name)


# As torch.onnx.export writes a Sequential.
gemms, value = [], "input"
for layer in range(3):
    out = "output" if layer == 2 else f"/{layer}/Gemm_output_0"
    gemms.append(helper.make_node("Gemm", [value, f"{layer}.weight", f"{layer}.bias"], [out], f"/{layer}/Gemm", alpha=1.0, beta=1.0, transB=1))
    value = out
    if layer < 2:
        value = f"/{layer}/Relu_output_0"
        gemms.append(helper.make_node("Relu", [out], [value], f"/{layer}/Relu"))
tensors = {f"{layer}.weight": w for layer, w in enumerate(weights)} | {f"{layer}.bias": b for layer, b in enumerate(biases)}
model("gemm.onnx", gemms, tensors)

# As skl2onnx writes an MLP: MatMul and Add, with 1 x k biases.
sums, value = [], "input"
for layer in range(3):
    sums.append(helper.make_node("MatMul", [value, f"coefficient{layer}"], [f"product{layer}"], f"MatMul{layer}"))
    out = "output" if layer == 2 else f"sum{layer}"
    sums.append(helper.make_node("Add", [f"product{layer}", f"intercepts{layer}"], [out], f"Add{layer}"))
    value = out
    if layer < 2:
        value = f"next{layer}"
        sums.append(helper.make_node("Relu", [out], [value], f"Relu{layer}"))
tensors = {f"coefficient{layer}": w.T for layer, w in enumerate(weights)} | {f"intercepts{layer}": b[None] for layer, b in enumerate(biases)}
model("matmul.onnx", sums, tensors)
