//! Records the revision and compiler of the build, and reports missing system libraries.
//!
//! The build scripts of the `-sys` crates may run first and fail with less clear errors: `scripts/setup.sh --check` looks for the same
//! libraries before anything is compiled.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Sources of the binary, relative to the package: an uncommitted change in any of them makes the revision `-dirty`.
const SOURCES: [&str; 6] = ["assets", "build.rs", "Cargo.toml", "Cargo.lock", "presets", "src"];

/// Finds the libraries; also run by `scripts/setup.sh`.
const PROBES: &str = "scripts/probes.sh";

/// Environment variables that affect which libraries are found, besides `PATH`.
const VARIABLES: [&str; 14] = [
    "BINDGEN_EXTRA_CLANG_ARGS",
    "CLANG_PATH",
    "CPATH",
    "CRAY_MPICH_DIR",
    "HDF5_DIR",
    "LIBCLANG_PATH",
    "LIBRARY_PATH",
    "LLVM_CONFIG_PATH",
    "MPICC",
    "MPI_PKG_CONFIG",
    "PKG_CONFIG",
    "PKG_CONFIG_LIBDIR",
    "PKG_CONFIG_PATH",
    "PKG_CONFIG_SYSROOT_DIR",
];

fn main() {
    record_revision();
    record_compiler();
    record_hdf5();
    check_libraries();
}

/// Sets `ADVSTEP_GIT_REVISION`: 12 digits of the commit, `-dirty` if the sources differ from it, `unknown` outside of a repository.
fn record_revision() {
    for source in SOURCES.iter().filter(|source| Path::new(source).exists()) {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rustc-env=ADVSTEP_GIT_REVISION={}", revision().unwrap_or_else(|| "unknown".to_owned()));
}

fn revision() -> Option<String> {
    // A tarball unpacked inside another repository has no revision.
    let top = PathBuf::from(git(&["rev-parse", "--show-toplevel"])?).canonicalize().ok()?;
    let package = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?).canonicalize().ok()?;
    if top != package {
        return None;
    }
    // In a worktree `.git` is a file, so ask git for the paths. The log of HEAD changes with every commit and checkout.
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

/// Standard output of a git command, or `None` if it fails or git is missing.
fn git(arguments: &[&str]) -> Option<String> {
    // Without the optional lock, so that a build does not make a concurrent commit fail.
    let output = Command::new("git").env("GIT_OPTIONAL_LOCKS", "0").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Sets `ADVSTEP_RUSTC`, `ADVSTEP_TARGET` and `ADVSTEP_PROFILE`.
fn record_compiler() {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(compiler).arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    println!("cargo::rustc-env=ADVSTEP_RUSTC={}", String::from_utf8_lossy(&version).trim());
    for (name, variable) in [("ADVSTEP_TARGET", "TARGET"), ("ADVSTEP_PROFILE", "PROFILE")] {
        println!("cargo::rustc-env={name}={}", env::var(variable).unwrap_or_default());
    }
}

/// Sets `cfg(hdf5_file_locking)` if the HDF5 library has a per-file locking property, see hdf5-metno's `FileAccessBuilder`, and
/// `cfg(hdf5_chunk_places)` if it tells where the chunks of an array are.
fn record_hdf5() {
    println!("cargo::rustc-check-cfg=cfg(hdf5_file_locking)");
    println!("cargo::rustc-check-cfg=cfg(hdf5_chunk_places)");
    let is_at_least = |version: &str| env::var_os(format!("DEP_HDF5_VERSION_{version}")).is_some();
    if is_at_least("1_10_5") {
        println!("cargo::rustc-cfg=hdf5_chunk_places");
    }
    if is_at_least("1_12_1") || is_at_least("1_10_7") && !is_at_least("1_12_0") {
        println!("cargo::rustc-cfg=hdf5_file_locking");
    }
}

/// Fails the build if `scripts/probes.sh` does not find a library. Success is cached until a variable or the script changes.
fn check_libraries() {
    println!("cargo::rerun-if-changed={PROBES}");
    VARIABLES.iter().for_each(|name| println!("cargo::rerun-if-env-changed={name}"));
    let is_linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    if !is_linux || env::var_os("TARGET") != env::var_os("HOST") {
        return;
    }
    let options: &[&str] = if env::var_os("CARGO_FEATURE_MPI").is_some() { &[] } else { &["--without-mpi"] };
    let variables: Vec<_> = VARIABLES.iter().map(|name| (name, env::var_os(name))).collect();
    let inputs = format!("{options:?} {variables:?} {}", fs::read_to_string(PROBES).unwrap_or_default());
    let stamp = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("libraries-found");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == inputs) {
        return;
    }

    let output = Command::new("sh").arg(PROBES).args(options).output();
    let failure = match &output {
        Ok(output) if output.status.success() => return fs::write(stamp, inputs).unwrap_or_default(),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let lines = output.map(|output| output.stdout).unwrap_or_default();
    let mut refused = false;
    for line in String::from_utf8_lossy(&lines).lines() {
        if let ["missing", thing, why, help, ..] = line.split('\t').collect::<Vec<_>>()[..] {
            println!("cargo::error=no usable {thing}: {why}; help: {help}");
            refused = true;
        }
    }
    if !refused {
        println!(
            "cargo::warning=libraries not checked: {PROBES}: {failure}; help: if the build fails, install OpenBLAS with CBLAS, HDF5 with its \
             high-level library and, for MPI, mpicc and libclang"
        );
    }
}
