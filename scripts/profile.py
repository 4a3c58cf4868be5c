#!/usr/bin/env python3
"""Adds to BENCH.json where the processor time of each of its cells goes, by kind of function, as `perf` sees it.

Usage: scripts/profile.py BENCH.json END_TO_END      (END_TO_END is the built bench of that name)
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Kinds of functions, and what the line of one looks like in a report of perf; the first that fits counts.
KINDS = {
    "matrix products": r"kernels::gemm|gemm_|matrixmultiply",
    "products with masks": r"masks::Masks::add",
    "normals": r"normal::Lanes::fill|gaussian::Lanes::fill",
    "line search": r"kernels::line|search::",
    "ReLU, masks, readout": r"kernels::(relu|activation|masks)",
    "allocation, copying": r"malloc|_int_free|free@|consolidate|unlink_chunk|memmove|memset|memcpy",
    "system: pages": r"\[k\]",
}


def profile(program, cell, options, networks):
    """Share of each kind of function in the processor time of one thread."""
    with tempfile.TemporaryDirectory() as directory:
        data = str(pathlib.Path(directory) / "perf.data")
        command = [program, *cell, "--threads", 1, "--networks", networks, "--run-only", *options]
        record = ["perf", "record", "-F", "999", "-o", data, *map(str, command)]
        subprocess.run(record, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        report = ["perf", "report", "-i", data, "--stdio", "--no-children", "-F", "overhead,sym"]
        lines = subprocess.run(report, check=True, capture_output=True, text=True).stdout.splitlines()
    shares = dict.fromkeys([*KINDS, "rest"], 0.0)
    for line in lines:
        if found := re.match(r"\s*([\d.]+)%\s+(.*)", line):
            kind = next((kind for kind, pattern in KINDS.items() if re.search(pattern, found[2])), "rest")
            shares[kind] += float(found[1]) / 100
    return shares


def main():
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    file, program = pathlib.Path(sys.argv[1]), sys.argv[2]
    bench = json.loads(file.read_text())
    rows = {(*row["cell"], row["engine"]): row for row in [*bench["cells"], *bench["roofline"]]}
    bench["profile"] = []
    for (*cell, engine), row in rows.items():
        # Enough that memory, which the first network maps and clears, weighs little.
        networks = max(10, round(2 / row["seconds"]))
        shares = profile(program, cell, ["--engine", engine, "--search", row["search"]], networks)
        bench["profile"].append({"cell": cell, "engine": engine, "shares": shares})
    file.write_text(json.dumps(bench, indent=2) + "\n")


if __name__ == "__main__":
    main()
