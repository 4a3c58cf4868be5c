//! Merges files into one [`Results`]: here the files of all shards; incompatible shards are refused by name.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::shard::{self, ShardResults};
use super::unite::unite;
use crate::error::BadInput;
use crate::experiment::Shard;
use crate::files::format::{self, FileKind};
use crate::job::journal::Header;
use crate::model::Unit;
use crate::plan;
use crate::provenance::Provenance;
use crate::record::UnitRecord;
use crate::results::{CellResults, Results};

/// Missing shards named in an error.
const NAMED: usize = 10;

/// Reads the files at `paths`, in any order, and merges them: all shards of an experiment, or finished results files
/// ([`unite`](super::unite::unite)).
///
/// # Errors
/// [`BadInput`] if files are of both kinds, or do not belong together.
pub fn merge(paths: &[PathBuf], command_line: &str) -> anyhow::Result<Results> {
    let kinds: Vec<Option<FileKind>> = paths.iter().map(|path| format::of(path, false)).collect();
    let Some(first) = kinds.iter().position(|kind| *kind == Some(FileKind::Results)) else {
        return merge_shards(paths, command_line);
    };
    match kinds.iter().position(|kind| *kind != Some(FileKind::Results)) {
        None => unite(paths, command_line),
        // Its reader says what it is, unless it is a shard.
        Some(other) if !Header::is_at(&paths[other]) => unite(&[paths[other].clone()], command_line),
        Some(other) => {
            let what = format!("{} and {} do not belong together", paths[other].display(), paths[first].display());
            let remedy = "merge the shards first, or finish the run of a journal, and then merge results files";
            Err(BadInput::new(what, "one is a shard or a journal, the other a results file", remedy).into())
        }
    }
}

/// Reads the shards at `paths` and merges them.
///
/// # Errors
/// [`BadInput`] if a file is not a complete shard, two files come from different experiments, programs or shard counts, a shard is given
/// twice, or shards are missing.
fn merge_shards(paths: &[PathBuf], command_line: &str) -> anyhow::Result<Results> {
    let mut shards: Vec<(&Path, ShardResults)> = Vec::with_capacity(paths.len());
    for path in paths {
        let shard = shard::read(path)?;
        if let Some((first, other)) = shards.first() {
            check_kinship(path, &shard, first, other)?;
        }
        if let Some((earlier, _)) = shards.iter().find(|(_, other)| other.shard == shard.shard) {
            return Err(BadInput::new(
                format!("{} and {} overlap", earlier.display(), path.display()),
                format!("each of them is {}", shard.shard),
                "give every shard once",
            )
            .into());
        }
        shards.push((path, shard));
    }
    check_whole(&shards)?;
    check_units(&shards)?;
    Ok(put_together(shards.into_iter().map(|(_, shard)| shard).collect(), command_line))
}

/// Refuses a shard that is incompatible with the first one.
fn check_kinship(path: &Path, shard: &ShardResults, first: &Path, other: &ShardResults) -> Result<(), BadInput> {
    let program = |provenance: &Provenance| format!("{} (git {})", provenance.program_version, provenance.git_revision);
    let (mine, others) = (program(&shard.provenance), program(&other.provenance));
    let (count, other_count) = (shard.shard.count(), other.shard.count());
    let difference = if let Some(difference) = shard.experiment.difference(&other.experiment) {
        format!("they are of different experiments: {difference}")
    } else if mine != others {
        format!("they were computed by different programs: {mine} against {others}")
    } else if shard.methods != other.methods {
        "they were computed with different engines or searches".to_string()
    } else if count != other_count {
        format!("one is part of {count} shards, the other of {other_count}")
    } else {
        return Ok(());
    };
    let what = format!("{} and {} do not belong together", path.display(), first.display());
    Err(BadInput::new(what, difference, "give the shards of one run only"))
}

/// Refuses an incomplete set of shards.
fn check_whole(shards: &[(&Path, ShardResults)]) -> Result<(), BadInput> {
    let Some((_, first)) = shards.first() else {
        return Err(BadInput::new("there is nothing to merge", "no shard is given", "give the files of all shards"));
    };
    let count = first.shard.count();
    let found: BTreeSet<usize> = shards.iter().map(|(_, shard)| shard.shard.number()).collect();
    let missing: Vec<Shard> =
        (1..=count).filter(|number| !found.contains(number)).filter_map(|number| Shard::new(number, count)).collect();
    let Some(hole) = missing.first() else { return Ok(()) };
    let mut names: Vec<String> = missing.iter().take(NAMED).map(|shard| shard.number().to_string()).collect();
    if missing.len() > NAMED {
        names.push(format!("and {} more", missing.len() - NAMED));
    }
    Err(BadInput::new(
        "the shards are incomplete",
        format!("of {count} shards these are missing: {}", names.join(", ")),
        format!("run them with --shard {}/{count} and so on, and give all files", hole.number()),
    ))
}

/// Refuses a shard that does not hold exactly its own units.
fn check_units(shards: &[(&Path, ShardResults)]) -> Result<(), BadInput> {
    let refuse = |what: String, why: String| {
        Err(BadInput::new(what, why, "merge with the program that computed the shards, or run them again"))
    };
    let Some((_, ShardResults { shard, experiment, .. })) = shards.first() else { return Ok(()) };
    // First, because it bounds the size of the experiment by that of the files.
    let records: usize = shards.iter().map(|(_, shard)| shard.records.len()).sum();
    let units = experiment.cell_count().saturating_mul(experiment.networks);
    if units != records {
        return refuse("the shards are incomplete".to_string(), format!("they have {records} of {units} networks"));
    }
    let mut expected = plan::units_of_shards(experiment, shard.count());
    for (path, shard) in shards {
        let expected = &mut expected[shard.shard.number() - 1];
        let mut found: Vec<Unit> = shard.records.iter().map(|record| record.unit).collect();
        expected.sort_unstable();
        found.sort_unstable();
        if found != *expected {
            let why = format!("it has {} networks, and {} has {} or others", found.len(), shard.shard, expected.len());
            return refuse(format!("the networks of {} are not those of its shard", path.display()), why);
        }
    }
    Ok(())
}

/// The results of a checked, complete set of shards.
fn put_together(shards: Vec<ShardResults>, command_line: &str) -> Results {
    let provenance = common_provenance(&shards.iter().map(|shard| &shard.provenance).collect::<Vec<_>>(), command_line);
    let (experiment, methods) = (shards[0].experiment.clone(), shards[0].methods.clone());
    let mut records: Vec<UnitRecord> = shards.into_iter().flat_map(|shard| shard.records).collect();
    records.sort_by_key(|record| record.unit);
    let mut records = records.into_iter();
    let cells = experiment.cells().into_iter().zip(methods).map(|(cell, method)| {
        let records = records.by_ref().take(experiment.networks).collect();
        CellResults { cell, method, records }
    });
    let cells = cells.collect();
    Results { experiment, cells, provenance, threshold: None }
}

/// Combined provenance: differing values are listed, ranks added, and time runs from the first start to the last end.
pub(super) fn common_provenance(provenances: &[&Provenance], command_line: &str) -> Provenance {
    let all = || provenances.iter().copied();
    let list = |of: fn(&Provenance) -> &str| {
        let distinct: BTreeSet<&str> = all().map(of).collect();
        distinct.into_iter().collect::<Vec<_>>().join(", ")
    };
    Provenance {
        program_version: list(|provenance| &provenance.program_version),
        git_revision: list(|provenance| &provenance.git_revision),
        command_line: command_line.to_string(),
        blas: list(|provenance| &provenance.blas),
        blas_core: list(|provenance| &provenance.blas_core),
        mpi_library: list(|provenance| &provenance.mpi_library),
        hdf5_version: list(|provenance| &provenance.hdf5_version),
        ranks: all().fold(0, |sum, provenance| sum.saturating_add(provenance.ranks)),
        threads_by_rank: list(|provenance| &provenance.threads_by_rank),
        threads: all().map(|provenance| provenance.threads).max().unwrap_or(0),
        host: list(|provenance| &provenance.host),
        started: all().map(|provenance| &provenance.started).min().cloned().unwrap_or_default(),
        ended: all().map(|provenance| &provenance.ended).max().cloned().unwrap_or_default(),
    }
}
