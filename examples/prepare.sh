# shellcheck shell=bash
# Shared by the examples that need Python packages. Sets `python` and `program`.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# prepare EXAMPLE DIRECTORY PACKAGE...: makes DIRECTORY; finds a Python with the packages, or installs them into DIRECTORY/venv; finds the program, or
# builds it.
prepare() {
    local example=$1 out=$2 venv=$2/venv
    shift 2
    local packages="$*"
    mkdir -p "$out"
    python=${ADVSTEP_PYTHON:-python3}
    if ! "$python" -c "import ${packages// /, }" >"$out/python.log" 2>&1; then
        # The requirements are copied last, so an incomplete environment is rebuilt.
        if ! cmp -s "$here/examples/requirements.txt" "$venv/requirements.txt"; then
            echo "$example: creating the Python environment $venv with what examples/requirements.txt lists"
            rm -rf "$venv"
            if ! { "$python" -m venv "$venv" && "$venv/bin/python" -m pip install --quiet --requirement "$here/examples/requirements.txt"; } \
                >"$out/python.log" 2>&1; then
                cat "$out/python.log" >&2
                echo "$example: error: cannot install the packages of examples/requirements.txt: see above" >&2
                echo "$example: help: install them and name that Python in ADVSTEP_PYTHON; venv itself comes with scripts/setup.sh --tests" >&2
                exit 1
            fi
            cp "$here/examples/requirements.txt" "$venv/"
        fi
        python=$venv/bin/python
    fi
    rm -f "$out/python.log"

    program=${ADVSTEP_HPC:-}
    if [[ -z $program ]]; then
        "$here/scripts/setup.sh" >&2
        export PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
        cargo build --release --locked --manifest-path "$here/Cargo.toml"
        program=${CARGO_TARGET_DIR:-$here/target}/release/advstep-hpc
    fi
}
