#!/usr/bin/env bash
# The audits' tables and pictures in docs/audit.md.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/audit-tables.sh [NAME=FILE.md ...]

Replaces the tables of docs/audit.md, between the comments `<!-- audit NAME_short -->` and `<!-- audit NAME_short end -->` (and _full, _command),
by those that `advstep-hpc audit --markdown` wrote to FILE.md. NAME is `paper`, the default audit, `layers` or `constant`, those of multi-layer
statements. Without arguments it runs all three first, and also redraws docs/audit_margin_*.svg.

Examples:
  scripts/audit-tables.sh
  mpirun -n 4 advstep-hpc audit --markdown audit.md && scripts/audit-tables.sh paper=audit.md
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac
files=()
for argument in "$@"; do
    name=${argument%%=*} file=${argument#*=}
    [[ $argument == *=* && $name =~ ^(paper|layers|constant)$ ]] || { usage >&2; exit 2; }
    [[ -f $file ]] || { echo "audit-tables: error: no such file: $file" >&2; exit 2; }
    files+=("$name=$(realpath "$file")")
done
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [[ $# -eq 0 ]]; then
    cargo build --release --locked
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    audit() {
        local name=$1
        shift
        "${CARGO_TARGET_DIR:-target}/release/advstep-hpc" audit --quiet --out "$work/$name.h5" --markdown "$work/$name.md" "$@"
        files+=("$name=$work/$name.md")
    }
    audit paper --figures "$work/figures" --format svg
    cp "$work"/figures/audit_margin_*.svg docs/
    audit layers --depths 1,2,3 --widths 50,200,800 --hidden 200,10,200 --dims 50,200 --activation relu
    audit constant --depths 1,2,4,8,16,32,64 --widths 200 --dims 50 --gain 1,2 --statements nearly-constant
fi

python3 - docs/audit.md "${files[@]}" <<'END'
import re
import sys

path, *files = sys.argv[1:]
blocks = {}
for argument in files:
    name, file = argument.split("=", 1)
    with open(file, encoding="utf-8") as file:
        for match in re.finditer(r"<!-- audit (\w+) -->\n(.*?)<!-- audit \1 end -->\n", file.read(), re.S):
            blocks[f"{name}_{match[1]}"] = match[2]
count = 0


def replaced(match):
    global count
    if match[1] not in blocks:
        return match[0]
    count += 1
    return f"<!-- audit {match[1]} -->\n{blocks[match[1]]}<!-- audit {match[1]} end -->\n"


with open(path, encoding="utf-8") as file:
    text = re.sub(r"<!-- audit (\w+) -->\n.*?<!-- audit \1 end -->\n", replaced, file.read(), flags=re.S)
with open(path, "w", encoding="utf-8") as file:
    file.write(text)
print(f"audit-tables: {path}: {count} tables")
END
