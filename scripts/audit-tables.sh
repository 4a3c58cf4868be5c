#!/usr/bin/env bash
# The audit's tables and pictures in docs/audit.md.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/audit-tables.sh [FILE.md]

Replaces the tables of docs/audit.md, between the comments `<!-- audit NAME -->` and `<!-- audit NAME end -->`, by those that
`advstep-hpc audit --markdown` wrote to FILE.md. Without FILE.md it runs the default audit first, and also redraws
docs/audit_margin_*.svg.

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
    "${CARGO_TARGET_DIR:-target}/release/advstep-hpc" audit --quiet --out "$work/audit.h5" --markdown "$tables" \
        --figures "$work/figures" --format svg
    cp "$work"/figures/audit_margin_*.svg docs/
fi

python3 - "$tables" docs/audit.md <<'END'
import re
import sys

tables, path = sys.argv[1:]
block = re.compile(r"<!-- audit (\w+) -->\n.*?<!-- audit \1 end -->\n", re.S)
with open(tables, encoding="utf-8") as file:
    blocks = {match[1]: match[0] for match in block.finditer(file.read())}
with open(path, encoding="utf-8") as file:
    text = file.read()
with open(path, "w", encoding="utf-8") as file:
    file.write(block.sub(lambda match: blocks[match[1]], text))
print(f"audit-tables: {path}: {len(block.findall(text))} tables")
END
