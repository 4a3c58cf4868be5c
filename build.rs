//! Records what the program was built from, and says plainly which system library is missing.
//!
//! The build scripts of the `-sys` crates may come first and fail with words of their own: `scripts/setup.sh` checks all of this
//! before anything is compiled.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the binary is made from, relative to the package: a change in any of these makes a revision `-dirty`.
const SOURCES: [&str; 6] = ["assets", "build.rs", "Cargo.toml", "Cargo.lock", "presets", "src"];

fn main() {
    record_revision();
    record_compiler();
    record_hdf5();
    require_blas();
    require_hdf5();
    if env::var_os("CARGO_FEATURE_MPI").is_some() {
        require_mpi();
    }
}

/// `ADVSTEP_GIT_REVISION`: twelve digits of the commit, `-dirty` when the sources differ from it, `unknown` outside of a repository.
fn record_revision() {
    for source in SOURCES.iter().filter(|source| Path::new(source).exists()) {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rustc-env=ADVSTEP_GIT_REVISION={}", revision().unwrap_or_else(|| "unknown".to_owned()));
}

fn revision() -> Option<String> {
    // A tarball unpacked somewhere inside another project's repository has no revision of its own.
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?).canonicalize().ok()?;
    if top != package {
        return None;
    }
    // In a worktree `.git` is a file, so git has to say where these are. The log of HEAD grows with every commit and checkout.
    for name in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", name])?;
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let status: Vec<&str> = ["status", "--porcelain", "--"].into_iter().chain(SOURCES).collect();
    let dirty = if git(&status)?.is_empty() { "" } else { "-dirty" };
    Some(format!("{commit}{dirty}"))
}

/// Standard output of a git command, or `None` when it fails or there is no git.
fn git(arguments: &[&str]) -> Option<String> {
    // Without the optional lock a build in one terminal cannot disturb a commit in another.
    let output = Command::new("git").env("GIT_OPTIONAL_LOCKS", "0").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// `ADVSTEP_RUSTC`, `ADVSTEP_TARGET` and `ADVSTEP_PROFILE`.
fn record_compiler() {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    println!("cargo::rustc-env=ADVSTEP_RUSTC={}", String::from_utf8_lossy(&version).trim());
    for (name, variable) in [("ADVSTEP_TARGET", "TARGET"), ("ADVSTEP_PROFILE", "PROFILE")] {
        println!("cargo::rustc-env={name}={}", env::var(variable).unwrap_or_default());
    }
}

/// `cfg(hdf5_file_locking)`: whether the HDF5 library can be told per file not to lock it, see hdf5-metno's `FileAccessBuilder`.
fn record_hdf5() {
    println!("cargo::rustc-check-cfg=cfg(hdf5_file_locking)");
    let is_at_least = |version: &str| env::var_os(format!("DEP_HDF5_VERSION_{version}")).is_some();
    if is_at_least("1_12_1") || is_at_least("1_10_7") && !is_at_least("1_12_0") {
        println!("cargo::rustc-cfg=hdf5_file_locking");
    }
}

fn require_blas() {
    if !(has_pkg_config("openblas") || links_with("-lopenblas")) {
        refuse(
            "no OpenBLAS found",
            "pkg-config does not know `openblas` and the C compiler cannot link -lopenblas",
            "install libopenblas-dev (Fedora: openblas-devel) and pkg-config, or run scripts/setup.sh",
        );
    }
}

fn require_hdf5() {
    // `DEP_HDF5_INCLUDE` is what hdf5-metno-sys found, in places that pkg-config does not know of as well.
    println!("cargo::rerun-if-env-changed=HDF5_DIR");
    if !(env::var_os("DEP_HDF5_INCLUDE").is_some() || env::var_os("HDF5_DIR").is_some() || has_pkg_config("hdf5")) {
        refuse(
            "no HDF5 found",
            "pkg-config does not know `hdf5` and HDF5_DIR is not set",
            "install libhdf5-dev (Fedora: hdf5-devel) and pkg-config, or run scripts/setup.sh, or set HDF5_DIR",
        );
    }
}

fn require_mpi() {
    println!("cargo::rerun-if-env-changed=MPICC");
    println!("cargo::rerun-if-env-changed=MPI_PKG_CONFIG");
    let wrapper = env::var_os("MPICC").unwrap_or_else(|| "mpicc".into());
    let wrapper_runs = Command::new(wrapper).arg("-show").output().is_ok_and(|output| output.status.success());
    if !(wrapper_runs || env::var_os("MPI_PKG_CONFIG").is_some() || ["ompi", "mpich", "mpi"].into_iter().any(has_pkg_config)) {
        refuse(
            "no MPI library found",
            "neither mpicc nor pkg-config knows of one",
            "install libopenmpi-dev and openmpi-bin (Fedora: openmpi-devel, then `module load mpi`), or run scripts/setup.sh, \
             or build without MPI: cargo build --release --no-default-features",
        );
    }
}

fn has_pkg_config(library: &str) -> bool {
    pkg_config::Config::new().cargo_metadata(false).probe(library).is_ok()
}

/// Whether the C compiler can link a shared library with `flag`.
fn links_with(flag: &str) -> bool {
    let probe = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("link-probe.so");
    let compiler = env::var_os("CC").unwrap_or_else(|| "cc".into());
    let linked = Command::new(compiler).args(["-shared", "-x", "c", "/dev/null", "-o"]).arg(probe).arg(flag).output();
    linked.is_ok_and(|output| output.status.success())
}

/// Fails the build with a message in the form of the program's own.
fn refuse(what: &str, why: &str, remedy: &str) {
    println!("cargo::error={what} ({why}) {remedy}");
}
