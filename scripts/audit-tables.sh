#!/usr/bin/env bash
# The audit's tables in docs/audit.md and README.md.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/audit-tables.sh [FILE.md]

Puts the tables that `advstep-hpc audit --markdown` wrote to FILE.md in the place of those in docs/audit.md and README.md, between the
comments `<!-- audit NAME -->` and `<!-- audit NAME end -->`. Without FILE.md it makes the default audit first.

Examples:
  scripts/audit-tables.sh
  mpirun -n 4 advstep-hpc audit --markdown audit.md && scripts/audit-tables.sh audit.md
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac
[[ $# -le 1 ]] || { usage >&2; exit 2; }

if [[ $# -eq 1 ]]; then
    [[ -f $1 ]] || { echo "audit-tables: error: no such file: $1" >&2; exit 2; }
    tables=$(realpath "$1")
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ $# -eq 0 ]]; then
    cargo build --release --locked
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    tables=$work/audit.md
    "${CARGO_TARGET_DIR:-target}/release/advstep-hpc" audit --quiet --out "$work/audit.h5" --markdown "$tables"
fi

python3 - "$tables" docs/audit.md README.md <<'END'
import re
import sys

block = re.compile(r"<!-- audit (\w+) -->\n.*?<!-- audit \1 end -->\n", re.S)
with open(sys.argv[1], encoding="utf-8") as file:
    blocks = {match[1]: match[0] for match in block.finditer(file.read())}
for path in sys.argv[2:]:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    replaced = block.sub(lambda match: blocks[match[1]], text)
    with open(path, "w", encoding="utf-8") as file:
        file.write(replaced)
    print(f"audit-tables: {path}: {len(block.findall(text))} tables")
END
