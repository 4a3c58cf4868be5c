#!/usr/bin/env bash
# Ceilings of this machine, our time per network, and that of two PyTorch programs on the same work and cores.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/bench.sh [--rounds N] [--quick] [--scaling] [--out DIRECTORY] [--document FILE] [--help]

Measures, in rounds that take all programs in turn, seconds per network with 100 inputs on all cores, and prints medians, ratios and
achieved / bound. Writes DIRECTORY/bench.json and, from it, FILE.

  --rounds N        rounds [default: 5]
  --quick           one round of small cells, to see that everything works
  --scaling         measure scaling as well (DIRECTORY/scaling.json, and scaling.svg beside FILE), with the unit times that
                    cargo bench --locked --bench cost_model has kept in benches/results/unit_times.jsonl; without it FILE has the scaling
                    measured before, with its revision, if that was at the same SIMD level
  --out DIRECTORY   where the JSON goes [default: benches/results]
  --document FILE   [default: docs/performance.md; with --quick: DIRECTORY/performance.md]

Needs a quiet machine, and PyTorch: the Python in ADVSTEP_TORCH_PYTHON, or one that is made in target/venv-bench (PyPI's PyTorch
brings 5 GB of libraries for graphics cards along). Run it with the environment in which the program is to be judged: OPENBLAS_CORETYPE,
where it is set, decides over the kernels of OpenBLAS and is part of the result.
END
}

rounds=5 quick="" scaling=no out="" document=""
while (($#)); do
    case $1 in
        --rounds) rounds=${2:?--rounds wants a number}; shift ;;
        --quick) quick=--quick ;;
        --scaling) scaling=yes ;;
        --out) out=${2:?--out wants a directory}; shift ;;
        --document) document=${2:?--document wants a file}; shift ;;
        -h | --help) usage; exit 0 ;;
        *) echo "bench: unknown argument $1 (see scripts/bench.sh --help)" >&2; exit 2 ;;
    esac
    shift
done

# Paths are those of the caller.
[[ -z $document ]] || document=$(realpath -m "$document")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# mpirun as root, as in containers; two ranks on two cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
out=$(realpath -m "${out:-$root/benches/results}")
target=${CARGO_TARGET_DIR:-$root/target}
mkdir -p "$out"

python=${ADVSTEP_TORCH_PYTHON:-$target/venv-bench/bin/python}
if [[ -z ${ADVSTEP_TORCH_PYTHON:-} && ! -e $target/venv-bench/ready ]]; then
    echo "bench: installing PyTorch into $target/venv-bench" >&2
    python3 -m venv "$target/venv-bench"
    "$python" -m pip install -q -r "$root/scripts/requirements-bench.txt"
    touch "$target/venv-bench/ready"
fi

# executable NAME: the built bench of this name.
cd "$root"
executables=$(cargo bench --locked --no-run --message-format=json --bench ceilings --bench end_to_end --bench scaling)
executable() {
    "$python" -c '
import json, sys
for line in sys.stdin:
    message = json.loads(line) if line.startswith("{") else {}
    if message.get("executable") and message["target"]["name"] == sys.argv[1]:
        print(message["executable"])' "$1" <<<"$executables" | tail -n 1
}

"$python" scripts/bench.py $quick --rounds "$rounds" --ceilings "$(executable ceilings)" --end-to-end "$(executable end_to_end)" \
    --peers benches/peers --out "$out/bench.json"
if command -v perf >/dev/null; then
    "$python" scripts/profile.py "$out/bench.json" "$(executable end_to_end)" || echo "bench: perf may not be used here, no profile" >&2
fi
if [[ -z $document ]]; then
    [[ -n $quick ]] && document=$out/performance.md || document=docs/performance.md
fi
if [[ $scaling == yes ]]; then
    "$(executable scaling)" --json "$out/scaling.json"
fi
"$python" scripts/performance.py "$out/bench.json" "$out/scaling.json" "$document"
