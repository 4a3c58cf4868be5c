#!/usr/bin/env bash
# Measures the hardware ceilings, our time per network, and that of PyTorch and JAX programs on the same work and cores.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/bench.sh [--rounds N] [--quick] [--busy] [--scaling] [--out DIRECTORY] [--document FILE] [--help]

Measures seconds per network of 100 inputs on all cores, in rounds over all programs, and prints medians, ratios and achieved / bound.
Writes DIRECTORY/bench.json and, from it, FILE.

  --rounds N        number of rounds [default: 5]
  --quick           one round of small cells, as a smoke test
  --busy            for a machine with other load: count CPU seconds over cores instead of wall time, and let every peer have one process per
                    core, whose CPU time other load changes least
  --scaling         also measure scaling (DIRECTORY/scaling.json, and scaling.svg beside FILE), with the times per network in
                    benches/results/unit_times.jsonl from cargo bench --locked --bench cost_model; otherwise FILE shows the previous
                    scaling with its revision, if measured at the same SIMD level
  --out DIRECTORY   directory of the JSON files [default: benches/results], and of small_cells.md
  --document FILE   [default: docs/performance.md; with --quick: DIRECTORY/performance.md]

Needs an idle machine (or --busy), and PyTorch and JAX: from the Python in ADVSTEP_TORCH_PYTHON, or installed in target/venv-bench (PyPI's
PyTorch includes 5 GB of GPU libraries). torch.compile needs a C++ compiler. OPENBLAS_CORETYPE, if set, selects the OpenBLAS kernels and affects the result.
END
}

rounds=5 quick="" busy="" scaling=no out="" document=""
while (($#)); do
    case $1 in
        --rounds) rounds=${2:?--rounds needs a number}; shift ;;
        --quick) quick=--quick ;;
        --busy) busy=--busy ;;
        --scaling) scaling=yes ;;
        --out) out=${2:?--out needs a directory}; shift ;;
        --document) document=${2:?--document needs a file}; shift ;;
        -h | --help) usage; exit 0 ;;
        *) echo "bench: unknown argument $1 (see scripts/bench.sh --help)" >&2; exit 2 ;;
    esac
    shift
done

# Relative to the caller's directory.
[[ -z $document ]] || document=$(realpath -m "$document")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# For mpirun as root, as in containers.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
out=$(realpath -m "${out:-$root/benches/results}")
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$out"

python=${ADVSTEP_TORCH_PYTHON:-$target/venv-bench/bin/python}
requirements=$root/scripts/requirements-bench.txt
if [[ -z ${ADVSTEP_TORCH_PYTHON:-} ]] && ! cmp -s "$requirements" "$target/venv-bench/requirements.txt"; then
    echo "bench: installing PyTorch and JAX into $target/venv-bench" >&2
    python3 -m venv "$target/venv-bench"
    "$python" -m pip install -q -r "$requirements"
    cp "$requirements" "$target/venv-bench/requirements.txt"
fi

# executable NAME: path of the compiled bench NAME.
cd "$root"
executables=$(cargo bench --locked --no-run --message-format=json --bench ceilings --bench end_to_end --bench thin_products --bench small_cells \
    --bench scaling)
executable() {
    "$python" -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line) if line.startswith("{") else {}
    if message.get("executable") and message["target"]["name"] == sys.argv[1]:
        print(message["executable"])' "$1" <<<"$executables" | tail -n 1
}

# The crates that the thin products are compared with have a package and a lock file of their own.
cargo build --release --locked --manifest-path benches/peers/products/Cargo.toml --target-dir "$target/peers"

# shellcheck disable=SC2086 # options that may be empty
"$python" scripts/bench.py $quick $busy --rounds "$rounds" --ceilings "$(executable ceilings)" --end-to-end "$(executable end_to_end)" \
    --thin-products "$(executable thin_products)" --crates "$target/peers/release/products" --peers benches/peers --out "$out/bench.json"
"$(executable small_cells)" >"$out/small_cells.md"
if command -v perf >/dev/null; then
    "$python" scripts/profile.py "$out/bench.json" "$(executable end_to_end)" || echo "bench: perf is not permitted here, no profile" >&2
fi
if [[ -z $document ]]; then
    [[ -n $quick ]] && document=$out/performance.md || document=docs/performance.md
fi
if [[ $scaling == yes ]]; then
    "$(executable scaling)" --json "$out/scaling.json"
fi
"$python" scripts/performance.py "$out/bench.json" "$out/scaling.json" "$document"
