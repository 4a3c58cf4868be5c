#!/bin/sh
# shellcheck disable=SC2317 # probes are called by name
# Probes for the system dependencies of the build; used by scripts/setup.sh and build.rs. POSIX sh.
set -u

usage() {
    cat <<'END'
Usage: scripts/probes.sh [--without-mpi] [--tests]

Tests each dependency the way the build uses it, and prints one line for each, with tab-separated fields:

  found    THING  WHERE
  missing  THING  WHY  HELP  DEBIAN-PACKAGES  FEDORA-PACKAGES

The package fields are missing if no package would help, for instance if a variable is wrong. The exit code is 1 if anything is missing.

  --without-mpi   skip MPI and libclang (cargo build --locked --no-default-features)
  --tests         also probe the dependencies of the test suite
END
}

with_mpi=yes for_tests=no
for argument in "$@"; do
    case $argument in
        --without-mpi) with_mpi=no ;;
        --tests) for_tests=yes ;;
        -h | --help) usage; exit 0 ;;
        *) echo "probes: unknown argument $argument (see scripts/probes.sh --help)" >&2; exit 2 ;;
    esac
done

# Compiler errors are quoted below, in English.
export LC_ALL=C
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT

# --- Tools ---

# Compiler flags for `builds`, one per line.
flags=$work/flags

# words TEXT: its words, one per line, split like a shell. Fails on an unclosed quote.
words() { printf '%s\n' "$1" | xargs printf '%s\n' 2>"$work/log"; }

# keep_flags TEXT: sets the flags to the -I, -L and -l flags in TEXT, which are those that the crates use. Fails like `words`.
keep_flags() {
    words "$1" >"$work/words" || return
    grep '^-[ILl].' "$work/words" >"$flags" || true
}

# pkg_config ARGUMENT...: prints flags; fails if pkg-config or the library is missing.
pkg_config() { "${PKG_CONFIG:-pkg-config}" "$@" >"$work/flags-found" 2>"$work/log" && sed 's/ *$//' "$work/flags-found"; }

# builds CODE: whether the C program compiles and links with the flags; if not, sets `why` to the first error.
builds() {
    printf '%s\n' "$1" >"$work/probe.c"
    set --
    while IFS= read -r flag; do set -- "$@" "$flag"; done <"$flags"
    cc "$work/probe.c" -o "$work/probe" "$@" 2>"$work/log" && return
    why=$(first_error)
    return 1
}

first_error() {
    { grep -e 'error' -e 'undefined' -e 'cannot' -e 'not found' "$work/log" || cat "$work/log"; } | head -n 1 |
        sed -e 's/^.*fatal error: //' -e 's/^.*: \(undefined reference\)/\1/' -e 's/^[^ ]*ld: //' -e "s|$work/||g" | tr '\t' ' '
}

# --- Probes. Each sets `where`, or fails and sets `why`, and `help` if no package would help. ---

probe_compiler() {
    : >"$flags"
    builds '#include <stdio.h>
int main(void) { return puts("") < 0; }' && where=$(command -v cc)
}

# Like openblas-src: the flags of pkg-config, or -lopenblas. The functions are those that the program and ndarray call.
probe_openblas() {
    where=-lopenblas
    if found=$(pkg_config --libs openblas); then where="pkg-config openblas: $found"; else found=-lopenblas; fi
    keep_flags "$found"
    builds 'void cblas_sgemm(), cblas_dgemm(), cblas_sgemv(), cblas_dgemv(), cblas_sdot(), cblas_ddot();
void openblas_set_num_threads(), openblas_get_parallel(), openblas_get_config(), openblas_get_corename();
void (*used[])() = { cblas_sgemm, cblas_dgemm, cblas_sgemv, cblas_dgemv, cblas_sdot, cblas_ddot,
    openblas_set_num_threads, openblas_get_parallel, openblas_get_config, openblas_get_corename };
int main(void) { return !used[0]; }' && return
    case $why in *cblas_*) help="use an OpenBLAS built with its C interface: libopenblas-dev on Debian, openblas-devel on Fedora" ;; esac
    why="$where: $why"
    return 1
}

# LAPACK in the same library, called by ndarray-linalg (dgesvd in the tests).
probe_lapack() {
    keep_flags "$(pkg_config --libs openblas || echo -lopenblas)"
    where=OpenBLAS
    builds 'void dgesvd_(), dsyev_();
int main(void) { dgesvd_(); dsyev_(); return 0; }'
}

# Like hdf5-metno-sys: only HDF5_DIR if it is set, else pkg-config, else the standard directories.
probe_hdf5() {
    where=
    if [ -n "${HDF5_DIR+set}" ]; then
        where="HDF5_DIR=$HDF5_DIR"
        help="set HDF5_DIR to the absolute path of the directory with include/hdf5.h and lib/libhdf5.so, or unset it"
        case $HDF5_DIR in
            /*) printf '%s\n' "-I$HDF5_DIR/include" "-L$HDF5_DIR/lib" "-L$HDF5_DIR/bin" >"$flags" ;;
            *) why="$where: not an absolute path"; return 1 ;;
        esac
    elif found=$(pkg_config --cflags --libs hdf5); then
        where="pkg-config hdf5: $found"
        keep_flags "$found"
    else
        for place in /usr/include/hdf5/serial:/usr/lib/x86_64-linux-gnu/hdf5/serial /usr/include:/usr/lib/x86_64-linux-gnu /usr/include:/usr/lib64; do
            [ -e "${place%:*}/hdf5.h" ] || continue
            where=$place
            printf '%s\n' "-I${place%:*}" "-L${place#*:}" >"$flags"
            break
        done
        [ -n "$where" ] || { why="HDF5_DIR is not set, pkg-config does not know hdf5, and hdf5.h is not in the usual places"; return 1; }
    fi
    printf '%s\n' -lhdf5 -lhdf5_hl >>"$flags"
    builds '#include <hdf5.h>
#include <hdf5_hl.h>
int main(void) { return H5open() < 0 || H5DSis_scale(0) < 0; }' || { why="$where: $why"; return 1; }
}

# Like build-probe-mpi: MPI_PKG_CONFIG, CRAY_MPICH_DIR, the output of `$MPICC -show`, pkg-config.
probe_mpi() {
    wrapper=${MPICC-mpicc}
    cray=${CRAY_MPICH_DIR-}/lib/pkgconfig/mpich.pc
    if [ -n "${MPI_PKG_CONFIG+set}" ]; then
        where="MPI_PKG_CONFIG=$MPI_PKG_CONFIG" wrapper=
        help="set MPI_PKG_CONFIG to the name or path of a .pc file that pkg-config knows, or unset it"
        found=$(pkg_config --cflags --libs "$MPI_PKG_CONFIG") || { why="$where: $(first_error)"; return 1; }
    elif [ -n "${CRAY_MPICH_DIR+set}" ] && found=$(pkg_config --cflags --libs "$cray"); then
        where=$cray wrapper=
    elif command -v "$wrapper" >"$work/log"; then
        where="$wrapper -show"
        if [ -n "${MPICC+set}" ]; then
            help="set MPICC to a compiler wrapper whose -show prints the flags, or MPI_PKG_CONFIG to the path of the library's .pc file; \
on a Cray, whose cc has no -show, unset MPICC and load the module cray-mpich (CRAY_MPICH_DIR)"
        fi
        found=$("$wrapper" -show 2>"$work/log") || { why="$where: $(first_error)"; return 1; }
    elif [ -n "${MPICC+set}" ]; then
        help="set MPICC to the name or path of a compiler wrapper, without options"
        why="MPICC=$MPICC: no such command"
        return 1
    elif found=$(pkg_config --cflags --libs mpich); then
        where="pkg-config mpich" wrapper=
    elif found=$(pkg_config --cflags --libs ompi); then
        where="pkg-config ompi" wrapper=
    else
        why="there is no mpicc, and pkg-config knows neither mpich nor ompi"
        return 1
    fi
    keep_flags "$found" || { why="$where: unclosed quote in: $found"; return 1; }
    builds '#include <mpi.h>
int main(void) { int major, minor; return MPI_Get_version(&major, &minor); }' || { why="$where: $why"; return 1; }
    [ -z "$wrapper" ] || "$wrapper" -c "$work/probe.c" -o "$work/probe.o" 2>"$work/log" || { why="$wrapper: $(first_error)"; return 1; }
}

# Like clang-sys: only LIBCLANG_PATH if it is set, else llvm-config, library paths and the standard directories; of several the highest
# version. Then parses a file with it like bindgen, because the headers of clang are in a separate package.
probe_libclang() {
    if [ -n "${LIBCLANG_PATH+set}" ]; then
        help="set LIBCLANG_PATH to the directory that holds libclang.so, or unset it"
    fi
    where=$(libclangs | sort -s -k 1,1nr | head -n 1 | cut -d ' ' -f 2-)
    if [ -z "$where" ]; then
        why="no libclang.so in ${LIBCLANG_PATH-the usual places}"
        [ -z "${LIBCLANG_PATH+set}" ] || why="LIBCLANG_PATH=$LIBCLANG_PATH: no libclang.so there"
        return 1
    fi
    echo -ldl >"$flags"
    builds '#include <dlfcn.h>
#include <stdio.h>
int main(int count, char **arguments) {
    void *clang = dlopen(arguments[1], RTLD_NOW);
    if (!clang) return fprintf(stderr, "%s\n", dlerror()), 1;
    void *(*index)(int, int) = dlsym(clang, "clang_createIndex");
    void *(*parse)(void *, const char *, char **, int, void *, unsigned, unsigned) = dlsym(clang, "clang_parseTranslationUnit");
    unsigned (*diagnostics)(void *) = dlsym(clang, "clang_getNumDiagnostics");
    if (!index || !parse || !diagnostics) return fprintf(stderr, "not a libclang\n"), 1;
    void *unit = parse(index(0, 1), arguments[2], arguments + 3, count - 3, 0, 0, 0);
    return !unit || diagnostics(unit) > 0;
}' || return 1
    printf '#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n' >"$work/parsed.c"
    words "${BINDGEN_EXTRA_CLANG_ARGS-}" | sed '/^$/d' >"$work/words"
    "${CLANG_PATH:-clang}" -E -x c - -v </dev/null 2>&1 | sed -n '/search starts here/,/End of search/s/^ /-isystem/p' >>"$work/words"
    set -- "$where" "$work/parsed.c"
    while IFS= read -r word; do set -- "$@" "$word"; done <"$work/words"
    "$work/probe" "$@" 2>"$work/log" && return
    why="$where: $(first_error)"
    return 1
}

# Version and path of each libclang that clang-sys would consider.
libclangs() {
    if [ -n "${LIBCLANG_PATH+set}" ]; then
        set -- "$LIBCLANG_PATH" "$LIBCLANG_PATH"/libclang*.so*
    else
        prefix=$("${LLVM_CONFIG_PATH:-llvm-config}" --prefix 2>"$work/log") || prefix=/nonexistent
        set -- "$prefix"/bin/libclang*.so* "$prefix"/lib*/libclang*.so*
        old_ifs=$IFS IFS=:
        for directory in ${LD_LIBRARY_PATH-} ${LIBRARY_PATH-}; do set -- "$@" "$directory"/libclang*.so*; done
        IFS=$old_ifs
        set -- "$@" /usr/local/llvm*/lib*/libclang*.so* /usr/local/lib*/*/*/libclang*.so* /usr/local/lib*/*/libclang*.so* \
            /usr/local/lib*/libclang*.so* /usr/lib*/*/*/libclang*.so* /usr/lib*/*/libclang*.so* /usr/lib*/libclang*.so*
    fi
    for library in "$@"; do
        [ -f "$library" ] || continue
        name=${library##*/}
        case $name in
            *-cpp.*) continue ;;
            libclang.so) version=0 ;;
            libclang.so.*) version=${name#libclang.so.} ;;
            libclang-*.so | libclang-*.so.*) version=${name#libclang-} ;;
            *) continue ;;
        esac
        echo "${version%%.*} $library"
    done
}

probe_mpirun() {
    launcher=${ADVSTEP_MPIRUN:-mpirun}
    where=$(command -v "${launcher%% *}") && return
    why="no such command: ${launcher%% *}"
    return 1
}

# The tests rewrite results files with them.
probe_hdf5_tools() {
    where=$(command -v h5repack) && command -v nccopy >/dev/null && return
    why="no such command: h5repack or nccopy"
    return 1
}

probe_python() {
    where=$(command -v python3) || { why="no such command: python3"; return 1; }
    python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10) and "older than 3.10: " + sys.version)' 2>"$work/log" && return
    why="$where: $(tail -n 1 "$work/log")"
    return 1
}

# --- The list ---

status=0

# probe THING PROBE "DEBIAN PACKAGES" "FEDORA PACKAGES"
probe() {
    where='' why='' help=''
    if "$2"; then
        printf 'found\t%s\t%s\n' "$1" "$where"
        return
    fi
    status=1
    if [ -n "$help" ]; then
        printf 'missing\t%s\t%s\t%s\n' "$1" "$why" "$help"
    else
        printf 'missing\t%s\t%s\t%s\t%s\t%s\n' "$1" "$why" "install $3 (Fedora: $4)" "$3" "$4"
    fi
}

probe "C compiler" probe_compiler "gcc libc6-dev" "gcc glibc-devel"
probe "OpenBLAS" probe_openblas "libopenblas-dev pkg-config" "openblas-devel pkgconf-pkg-config"
probe "LAPACK" probe_lapack "libopenblas-dev" "openblas-devel"
probe "HDF5" probe_hdf5 "libhdf5-dev pkg-config" "hdf5-devel pkgconf-pkg-config"
if [ "$with_mpi" = yes ]; then
    probe "MPI" probe_mpi "libopenmpi-dev openmpi-bin" "openmpi-devel"
    probe "libclang" probe_libclang "libclang-dev" "clang-devel"
fi
if [ "$for_tests" = yes ]; then
    [ "$with_mpi" = no ] || probe "mpirun" probe_mpirun "openmpi-bin" "openmpi"
    probe "h5repack and nccopy" probe_hdf5_tools "hdf5-tools netcdf-bin" "hdf5 netcdf"
    probe "Python (3.10 or later) with venv" probe_python "python3 python3-venv" "python3"
fi
exit "$status"
