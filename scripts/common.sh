# shellcheck shell=bash
# Shared by the scripts that build and test; source it in the root of the repository.

export PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"

# Allow oversubscription and, in containers, root; for Open MPI 4, then 5.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe

# Sets ADVSTEP to the absolute path of the program; builds it with cargo if ADVSTEP is not set.
find_program() {
    if [[ -z ${ADVSTEP:-} ]]; then
        cargo build --release --locked
        ADVSTEP=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release/advstep-hpc
    elif ! command -v "$ADVSTEP" >/dev/null; then
        echo "error: cannot find the program ADVSTEP=$ADVSTEP" >&2
        exit 2
    else
        ADVSTEP=$(realpath "$(command -v "$ADVSTEP")")
    fi
    export ADVSTEP
}

# python_environment DIRECTORY REQUIREMENTS: a virtual environment with the packages that the file lists, created again if the file has changed.
python_environment() {
    local directory=$1 requirements=$2
    # The list is copied last, so an environment that was not finished is created again.
    if ! cmp -s "$requirements" "$directory/requirements.txt"; then
        say "creating the Python environment $directory"
        rm -rf "$directory"
        python3 -m venv "$directory"
        # Compiled when imported: of most packages that is a small part.
        "$directory/bin/python" -m pip install --quiet --no-compile --requirement "$requirements"
        cp "$requirements" "$directory/requirements.txt"
    fi
}
