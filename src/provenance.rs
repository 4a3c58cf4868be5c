//! Provenance of a file: program, libraries, machine, times; and the text of `--version`.

use std::sync::OnceLock;

use hdf5::Group;
use serde::{Deserialize, Serialize};

use crate::comm::library::library_version;
use crate::files::attribute::{Form, number, set_number, set_text, text};
use crate::machine::{blas, host_name, now_utc};

/// Versions of the program and its libraries, and the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versions {
    pub program_version: &'static str,
    /// Commit, with `-dirty` if the sources differed from it; `unknown` if built outside of a repository.
    pub git_revision: &'static str,
    /// Name, version and build options.
    pub blas: String,
    /// CPU family of the BLAS kernels in use.
    pub blas_core: String,
    /// Name and version, or `none (serial build)`.
    pub mpi_library: String,
    pub hdf5_version: String,
    pub host: String,
}

impl Versions {
    /// May be called before MPI is initialised.
    pub fn collect() -> Self {
        let (major, minor, release) = hdf5::library_version();
        Self {
            program_version: env!("CARGO_PKG_VERSION"),
            git_revision: env!("ADVSTEP_GIT_REVISION"),
            blas: blas::blas_name().to_owned(),
            blas_core: blas::blas_core().to_owned(),
            mpi_library: library_version().map_or_else(|| "none (serial build)".to_owned(), |text| shorten(&text)),
            hdf5_version: format!("{major}.{minor}.{release}"),
            host: host_name(),
        }
    }
}

/// Version and commit of the program, e.g. `0.1.0 (git 6d39997a1b2c)`.
pub fn program_revision() -> &'static str {
    concat!(env!("CARGO_PKG_VERSION"), " (git ", env!("ADVSTEP_GIT_REVISION"), ")")
}

/// When, where and by what a file was written. Not part of the results: two runs of one experiment may differ in it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    pub program_version: String,
    pub git_revision: String,
    pub command_line: String,
    pub blas: String,
    pub blas_core: String,
    pub mpi_library: String,
    pub hdf5_version: String,
    pub ranks: u32,
    /// Largest number of worker threads of a rank.
    pub threads: u32,
    /// Worker threads of all ranks, such as `2`, or `rank 0: 2, ranks 1-63: 4`.
    #[serde(default)]
    pub threads_by_rank: String,
    pub host: String,
    /// UTC, RFC 3339.
    pub started: String,
    /// UTC, RFC 3339.
    pub ended: String,
}

impl Provenance {
    /// Provenance of a job that was `started` (UTC, RFC 3339) by `command_line`, with `threads_by_rank` worker threads, and ends now.
    pub fn now(command_line: &str, threads_by_rank: &[u64], started: &str) -> Self {
        let versions = Versions::collect();
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            program_version: versions.program_version.to_owned(),
            git_revision: versions.git_revision.to_owned(),
            command_line: command_line.to_owned(),
            blas: versions.blas,
            blas_core: versions.blas_core,
            mpi_library: versions.mpi_library,
            hdf5_version: versions.hdf5_version,
            ranks: number(threads_by_rank.len() as u64),
            threads: number(threads_by_rank.iter().copied().max().unwrap_or(0)),
            threads_by_rank: by_rank(threads_by_rank),
            host: versions.host,
            started: started.to_owned(),
            ended: now_utc(),
        }
    }

    /// Writes the fields as attributes of `group`.
    pub fn write_to(&self, group: &Group) -> anyhow::Result<()> {
        set_text(group, "program_version", &self.program_version)?;
        set_text(group, "git_revision", &self.git_revision)?;
        set_text(group, "command_line", &self.command_line)?;
        set_text(group, "blas", &self.blas)?;
        set_text(group, "blas_core", &self.blas_core)?;
        set_text(group, "mpi_library", &self.mpi_library)?;
        set_text(group, "hdf5_version", &self.hdf5_version)?;
        set_number(group, "ranks", self.ranks)?;
        set_number(group, "threads", self.threads)?;
        set_text(group, "threads_by_rank", &self.threads_by_rank)?;
        set_text(group, "host", &self.host)?;
        set_text(group, "started", &self.started)?;
        set_text(group, "ended", &self.ended)
    }

    /// Reads the attributes of [`write_to`](Self::write_to).
    pub fn read_from(group: &Group, form: Form) -> Result<Self, String> {
        let text = |name| text(group, name, form);
        Ok(Self {
            program_version: text("program_version")?,
            git_revision: text("git_revision")?,
            command_line: text("command_line")?,
            blas: text("blas")?,
            blas_core: text("blas_core")?,
            mpi_library: text("mpi_library")?,
            hdf5_version: text("hdf5_version")?,
            ranks: number(group, "ranks", form)?,
            threads: number(group, "threads", form)?,
            threads_by_rank: if group.attr("threads_by_rank").is_ok() { text("threads_by_rank")? } else { String::new() },
            host: text("host")?,
            started: text("started")?,
            ended: text("ended")?,
        })
    }

    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("its fields are TOML values")
    }

    pub fn from_toml(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }
}

/// `2` if all ranks have 2 threads, else such as `rank 0: 2, ranks 1-63: 4`.
fn by_rank(threads: &[u64]) -> String {
    let mut rank = 0;
    let runs: Vec<(std::ops::Range<usize>, u64)> = threads
        .chunk_by(|a, b| a == b)
        .map(|run| {
            rank += run.len();
            (rank - run.len()..rank, run[0])
        })
        .collect();
    match &runs[..] {
        [(_, threads)] => threads.to_string(),
        _ => {
            let text = |(ranks, threads): &(std::ops::Range<usize>, u64)| match ranks.len() {
                1 => format!("rank {}: {threads}", ranks.start),
                _ => format!("ranks {}-{}: {threads}", ranks.start, ranks.end - 1),
            };
            runs.iter().map(text).collect::<Vec<_>>().join(", ")
        }
    }
}

/// The text of `--version`.
pub fn version_text() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let versions = Versions::collect();
        let lines = [
            format!("{} {}", env!("CARGO_PKG_NAME"), program_revision()),
            format!("BLAS   {} (kernels: {}, threads: {})", versions.blas, versions.blas_core, blas::threading().name()),
            format!("MPI    {}", versions.mpi_library),
            format!("HDF5   {}", versions.hdf5_version),
            format!("Built  by {} for {} ({})", env!("ADVSTEP_RUSTC"), env!("ADVSTEP_TARGET"), env!("ADVSTEP_PROFILE")),
        ];
        lines.join("\n")
    })
}

/// Name and version from the version string of an MPI library: Open MPI adds more after a comma, MPICH on further lines.
fn shorten(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    let name = first.split(',').next().unwrap_or_default();
    name.trim_end_matches('\0').split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_listed_by_rank() {
        assert_eq!([by_rank(&[3]), by_rank(&[2, 2, 2])], ["3", "2"]);
        assert_eq!(by_rank(&[2, 1, 1, 4]), "rank 0: 2, ranks 1-2: 1, rank 3: 4");
    }

    #[test]
    fn mpi_versions_are_shortened() {
        assert_eq!(shorten("Open MPI v4.1.4, package: Debian OpenMPI, ident: 4.1.4\0"), "Open MPI v4.1.4");
        assert_eq!(shorten("MPICH Version:\t4.0.2\nMPICH Release date:\tThu Apr 7\n"), "MPICH Version: 4.0.2");
    }

    #[test]
    fn the_text_names_all_libraries() {
        let text = version_text();
        assert!(text.starts_with(concat!("advstep-hpc ", env!("CARGO_PKG_VERSION"))), "{text}");
        assert!(["git ", "OpenBLAS", "MPI ", "HDF5 ", "rustc "].iter().all(|part| text.contains(part)), "{text}");
        assert_eq!(cfg!(feature = "mpi"), !text.contains("none (serial build)"), "{text}");
    }
}
