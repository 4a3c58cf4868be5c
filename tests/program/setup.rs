//! `scripts/setup.sh` and the build name libraries that are missing, or hidden by a variable, before any crate is compiled.
#![cfg(feature = "mpi")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SETUP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/setup.sh");

/// Variables that affect how libraries are found; the tests start without them.
const VARIABLES: [&str; 7] =
    ["CRAY_MPICH_DIR", "HDF5_DIR", "LIBCLANG_PATH", "LIBRARY_PATH", "MPICC", "MPI_PKG_CONFIG", "PKG_CONFIG_PATH"];

/// A command without the developer's settings of [`VARIABLES`].
fn command(program: impl Into<OsString>) -> Command {
    let mut command = Command::new(program.into());
    VARIABLES.iter().for_each(|name| _ = command.env_remove(name));
    command
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs `setup.sh --check` with these variables; returns its exit code and output.
fn check(variables: &[(&str, &str)]) -> (i32, String) {
    let output = command(SETUP).args(["--check", "--tests"]).envs(variables.iter().copied()).output().unwrap();
    (output.status.code().unwrap(), text(&output))
}

/// Checks that with these variables only `thing` is missing, and that the message has all of `words`.
fn assert_missing(thing: &str, variables: &[(&str, &str)], words: &[&str]) {
    let (code, text) = check(variables);
    assert_eq!(code, 1, "{variables:?}: {text}");
    assert!(text.contains(&format!("setup: missing  {thing}: ")), "{variables:?}: {text}");
    assert!(text.contains(&format!("setup: error: missing {thing}: --check installs nothing")), "{variables:?}: {text}");
    words.iter().for_each(|word| assert!(text.contains(word), "{variables:?}: `{word}` is not in {text}"));
}

/// Links `name` in `directory` to the command `fake` of `tests/fakes/`.
fn link_fake(fake: &str, directory: &Path, name: &str) -> String {
    let path = directory.join(name);
    symlink(Path::new(ROOT).join("tests/fakes").join(fake), &path).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A directory to use as `PATH`: links to all installed commands that the scripts use, except `without`.
fn commands_without(without: &[&str]) -> TempDir {
    let directory = TempDir::new().unwrap();
    let used = "bash sh env cat cut dirname grep head id mktemp printf rm sed sort tail tr xargs cc gcc as ld mpicc pkg-config python3 mpirun rustc cargo";
    for name in used.split(' ').filter(|name| !without.contains(name)) {
        let found =
            std::env::split_paths(&std::env::var_os("PATH").unwrap()).map(|place| place.join(name)).find(|file| file.is_file());
        found.iter().for_each(|file| symlink(file, directory.path().join(name)).unwrap());
    }
    directory
}

#[test]
fn all_is_found_where_the_tests_were_built() {
    let output = Command::new(SETUP).args(["--check", "--tests"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    for thing in ["C compiler", "OpenBLAS", "HDF5", "LAPACK", "Rust"] {
        assert!(text(&output).contains(&format!("setup: found    {thing}")), "{}", text(&output));
    }
}

/// Each of these used to be trusted, or ignored.
#[test]
fn a_variable_that_names_no_library_is_named() {
    let unset = "or unset it";
    for value in ["/nonexistent", ""] {
        assert_missing("libclang", &[("LIBCLANG_PATH", value)], &[&format!("LIBCLANG_PATH={value}: no libclang.so there"), unset]);
    }
    assert_missing("HDF5", &[("HDF5_DIR", "/nonexistent")], &["HDF5_DIR=/nonexistent: hdf5.h: No such file", unset]);
    assert_missing("HDF5", &[("HDF5_DIR", "usr")], &["HDF5_DIR=usr: not an absolute path", unset]);
    assert_missing("MPI", &[("MPI_PKG_CONFIG", "/nonexistent.pc")], &["MPI_PKG_CONFIG=/nonexistent.pc: ", unset]);
    assert_missing("MPI", &[("MPICC", "/nonexistent/mpicc")], &["MPICC=/nonexistent/mpicc: no such command"]);
    assert_missing("MPI", &[("MPICC", "mpicc -O2")], &["MPICC=mpicc -O2: no such command", "without options"]);
}

/// A Cray compiler, which is its own wrapper.
#[test]
fn a_wrapper_that_shows_no_flags_is_named() {
    assert_missing("MPI", &[("MPICC", "cc")], &["cc -show: ", "MPI_PKG_CONFIG", "CRAY_MPICH_DIR"]);
    let directory = TempDir::new().unwrap();
    let silent = link_fake("mpicc", directory.path(), "silent");
    assert_missing("MPI", &[("MPICC", &silent), ("SHOWN", "")], &["silent -show: mpi.h: No such file"]);
}

/// The `-I` and `-L` directories of a compiler wrapper.
fn directories(show: &str, flag: &str) -> Vec<String> {
    show.split_whitespace().filter_map(|word| Some(word.strip_prefix(flag)?.to_owned())).collect()
}

/// Intel MPI quotes its paths, which may contain spaces.
#[test]
fn quoted_paths_of_a_wrapper_are_understood() {
    let show = String::from_utf8(Command::new("mpicc").arg("-show").output().unwrap().stdout).unwrap();
    let directory = TempDir::with_prefix("My MPI ").unwrap();
    let quoted: Vec<String> = ["-I", "-L"]
        .into_iter()
        .flat_map(|flag| directories(&show, flag).into_iter().enumerate().map(move |(index, target)| (flag, index, target)))
        .map(|(flag, index, target)| {
            let link = directory.path().join(format!("{flag}{index}"));
            symlink(target, &link).unwrap();
            format!("{flag}\"{}\"", link.display())
        })
        .collect();
    let libraries: Vec<String> = directories(&show, "-l").iter().map(|library| format!("-l{library}")).collect();
    let shown = format!("gcc {} {}", quoted.join(" "), libraries.join(" "));
    let wrapper = link_fake("mpicc", directory.path(), "quoting mpicc");
    let (code, text) = check(&[("MPICC", &wrapper), ("SHOWN", &shown)]);
    assert!(code == 0 && text.contains("quoting mpicc -show"), "{text}");
    let open = shown.replacen("\" ", " ", 1);
    assert_missing("MPI", &[("MPICC", &wrapper), ("SHOWN", &open)], &["unclosed quote"]);
}

/// A library of the right name is not enough: the program calls CBLAS and LAPACK.
#[test]
fn openblas_without_its_c_interface_is_refused() {
    let directory = TempDir::new().unwrap();
    let source = directory.path().join("stub.c");
    fs::write(&source, "void openblas_set_num_threads() {} void openblas_get_parallel() {} void openblas_get_config() {} void openblas_get_corename() {}")
        .unwrap();
    let library = directory.path().join("libopenblas.so");
    assert!(Command::new("cc").args(["-shared", "-o"]).args([&library, &source]).status().unwrap().success());
    let package = format!("Name: openblas\nDescription: stub\nVersion: 1\nLibs: -L{} -lopenblas\n", directory.path().display());
    fs::write(directory.path().join("openblas.pc"), package).unwrap();

    let (code, text) = check(&[("PKG_CONFIG_PATH", directory.path().to_str().unwrap())]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("undefined reference to `cblas_") && text.contains("built with its C interface"), "{text}");
    assert!(text.contains("setup: missing  LAPACK: undefined reference to `dgesvd_'"), "{text}");
}

#[test]
fn commands_that_are_missing_are_named_with_their_packages() {
    let check = |without: &[&str]| {
        let path = commands_without(without);
        let output = command(SETUP).arg("--check").env("PATH", path.path()).env("CARGO_HOME", path.path()).output().unwrap();
        (output.status.code(), text(&output))
    };
    let (code, text) = check(&["cc", "gcc"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("setup: missing  C compiler: ") && text.contains("apt-get install gcc libc6-dev"), "{text}");
    let (code, text) = check(&["mpicc", "pkg-config"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("setup: missing  MPI: there is no mpicc, and pkg-config knows neither mpich nor ompi"), "{text}");
    assert!(text.contains("apt-get install libopenmpi-dev openmpi-bin"), "{text}");
    let (code, text) = check(&["rustc"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("setup: error: no Rust ") && text.contains("found none"), "{text}");
}

/// As root with a fake apt-get: the packages it is given, and the message if they do not help.
#[test]
fn missing_packages_are_installed_and_looked_for_again() {
    let path = commands_without(&["mpicc", "pkg-config"]);
    fs::remove_file(path.path().join("id")).unwrap();
    ["apt-get", "id"].iter().for_each(|name| _ = link_fake(name, path.path(), name));
    let mut command_here = command(SETUP);
    command_here.env("PATH", path.path()).env("CARGO_HOME", path.path()).env("CALLS", path.path().join("calls"));
    let output = command_here.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let calls = fs::read_to_string(path.path().join("calls")).unwrap();
    assert!(calls.contains("install -y --no-install-recommends libopenmpi-dev openmpi-bin\n"), "{calls}");
    assert!(text(&output).contains("missing MPI: not usable although the packages are installed"), "{}", text(&output));

    // No package fixes a wrong variable.
    let output = command(SETUP).envs([("LIBCLANG_PATH", "/nonexistent"), ("PATH", "/usr/bin:/bin")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("missing libclang: no package provides them"), "{}", text(&output));
}

#[test]
fn without_mpi_neither_mpi_nor_libclang_is_looked_for() {
    let output = command(SETUP)
        .args(["--check", "--without-mpi"])
        .envs([("MPICC", "cc"), ("LIBCLANG_PATH", "/nonexistent")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(!text(&output).contains("MPI") && !text(&output).contains("libclang"), "{}", text(&output));
}

#[test]
fn unknown_arguments_are_refused() {
    for program in [SETUP, concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/probes.sh")] {
        let output = command(program).arg("--chek").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output).contains("unknown argument --chek"), "{}", text(&output));
    }
}

/// The build script, compiled on its own.
struct BuildScript {
    directory: TempDir,
}

impl BuildScript {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
        let compiled = Command::new(rustc)
            .current_dir(ROOT)
            .args(["--edition=2024", "build.rs", "-o"])
            .arg(directory.path().join("build"))
            .output();
        let compiled = compiled.unwrap();
        assert!(compiled.status.success(), "{}", text(&compiled));
        Self { directory }
    }

    /// Its output for cargo in the package at `root`, with these variables.
    fn run(&self, root: &Path, variables: &[(&str, &str)]) -> String {
        let mut command = command(self.directory.path().join("build"));
        command
            .current_dir(root)
            .env("CARGO_MANIFEST_DIR", root)
            .env("OUT_DIR", self.directory.path())
            .env_remove("CARGO_FEATURE_MPI");
        command.envs([("TARGET", "this"), ("HOST", "this"), ("CARGO_CFG_TARGET_OS", "linux")]).envs(variables.iter().copied());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    }
}

#[test]
fn the_build_finds_what_setup_finds() {
    let (build, root) = (BuildScript::new(), Path::new(ROOT));
    let complaints = |variables: &[(&str, &str)]| {
        let lines = build.run(root, variables);
        lines
            .lines()
            .filter(|line| line.starts_with("cargo::error=") || line.starts_with("cargo::warning="))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    // Twice: the second run is cached.
    for _ in 0..2 {
        assert_eq!(complaints(&[]), Vec::<String>::new());
    }
    let wrong = [("HDF5_DIR", "/nonexistent"), ("MPICC", "cc")];
    let found = complaints(&wrong);
    assert!(found.len() == 1 && found[0].starts_with("cargo::error=no usable HDF5: HDF5_DIR=/nonexistent: hdf5.h"), "{found:?}");
    assert!(found[0].contains("; help: set HDF5_DIR to"), "{found:?}");
    let found = complaints(&[&wrong[..], &[("CARGO_FEATURE_MPI", "1")]].concat());
    assert!(found.len() == 2 && found[1].starts_with("cargo::error=no usable MPI: cc -show: "), "{found:?}");
}

#[test]
fn a_build_that_cannot_look_says_what_it_needs() {
    let (build, empty) = (BuildScript::new(), TempDir::new().unwrap());
    for (root, variables) in [(Path::new(ROOT), &[("PATH", "/nonexistent")][..]), (empty.path(), &[])] {
        let told = build.run(root, variables);
        assert!(told.contains("cargo::warning=libraries not checked: scripts/probes.sh: "), "{told}");
        assert!(told.contains("OpenBLAS with CBLAS") && !told.contains("cargo::error="), "{told}");
    }
}

/// `cargo install advstep-hpc` builds from the packaged crate.
#[test]
fn the_packaged_crate_has_what_the_build_needs() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo).current_dir(ROOT).args(["package", "--list", "--allow-dirty", "--offline"]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let files = String::from_utf8(output.stdout).unwrap();
    for needed in ["build.rs", "Cargo.lock", "scripts/probes.sh", "presets/quick.toml", "src/report/page.js"] {
        assert!(files.lines().any(|file| file == needed), "{needed} is not in {files}");
    }
}

/// `cargo install` ignores the lock file without --locked; other commands may change it.
#[test]
fn documents_and_scripts_use_the_lock_file() {
    let places = ["docs", "scripts", "slurm", "examples", ".ci"].map(|place| Path::new(ROOT).join(place));
    let found = places.iter().flat_map(|place| fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()));
    let files: Vec<_> = found.chain(["README.md", "CONTRIBUTING.md"].map(|name| Path::new(ROOT).join(name))).collect();
    for file in files.iter().filter(|file| file.is_file()) {
        let text = String::from_utf8_lossy(&fs::read(file).unwrap()).into_owned();
        for line in text.lines() {
            for verb in ["build", "install", "test", "bench"] {
                let loose = line.split(&format!("cargo {verb} -")).skip(1).find(|rest| !rest.contains("-locked"));
                assert_eq!(loose, None, "{}: {line}", file.display());
            }
        }
    }
}
