# shellcheck shell=bash
# What the scripts that run MPI jobs share: to be sourced, in the directory of the repository.

export PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"

# More ranks than there are cores, in containers also as root. First Open MPI 4, then 5.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_mpi_yield_when_idle=1 OMPI_MCA_btl_vader_single_copy_mechanism=none
export PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe

# The program goes to ADVSTEP: built with cargo, unless ADVSTEP names one, from the directory of the repository.
find_program() {
    if [[ -z ${ADVSTEP:-} ]]; then
        cargo build --release --locked
        ADVSTEP=$(realpath -m "${CARGO_TARGET_DIR:-target}")/release/advstep-hpc
    elif ! command -v "$ADVSTEP" >/dev/null; then
        echo "error: no program to test: ADVSTEP=$ADVSTEP" >&2
        exit 2
    else
        ADVSTEP=$(realpath "$(command -v "$ADVSTEP")")
    fi
    export ADVSTEP
}
