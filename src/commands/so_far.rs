//! `show` of a journal: what a job has done so far, while it runs or after it has stopped. Reads the file without a lock.

use std::collections::HashSet;
use std::fs;
use std::io::stdout;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Context;

use super::print;
use crate::audit;
use crate::audit::Options;
use crate::audit::job::Outputs;
use crate::error::BadInput;
use crate::given;
use crate::job::journal::{self, Contents, Header, Start};
use crate::job::seen::Seen;
use crate::job::{Client, Group, Nouns, Resources, Task};
use crate::model::Unit;
use crate::plan::{nominal_groups, shard_units};
use crate::results;
use crate::results::journal::JournalResults;
use crate::results::show::{self, Format};

/// Prints what the journal at `path` holds, in `format`.
///
/// # Errors
/// [`BadInput`] if it is not the journal of this science version; I/O errors.
pub fn execute(path: &Path, format: Format) -> anyhow::Result<()> {
    let written = fs::metadata(path).and_then(|found| found.modified()).with_context(|| path.display().to_string())?;
    let refuse = |why: String| {
        BadInput::new(
            format!("cannot show {}", path.display()),
            why,
            "give the journal of a job of this program version, or a results file",
        )
    };
    let header = fs::File::open(path).ok().and_then(|mut file| Header::read(&mut file).ok());
    let table = |key: &str| header.as_ref()?.0.get(key)?.as_table();
    if let Some(options) = table("measurement").and_then(|table| given::Options::from_table(table.clone())) {
        let contents = journal::read(path, |_| Ok(given::blocks::largest_result(&options))).map_err(refuse)?;
        return of_measurement(path, format, written, &options, &contents);
    }
    match table("audit").and_then(Options::from_table) {
        Some(options) => {
            if format != Format::Table {
                return Err(refuse("an audit that is not finished has no entries yet".into()).into());
            }
            let (finished, groups, start) = of_audit(path, options).map_err(refuse)?;
            let nouns = Nouns { tasks: "networks", groups: "samples" };
            let seen = Seen { groups: &groups, nouns, tasks: Vec::new(), finished, start, written, now: SystemTime::now() };
            Ok(print(&format!("{}: {}\n", path.display(), seen.text()))?)
        }
        None => of_run(path, format, written, results::journal::read(path).map_err(refuse)?),
    }
}

fn all_tasks(groups: &[Group]) -> Vec<Task> {
    groups.iter().enumerate().flat_map(|(group, of)| (0..of.count).map(move |index| Task { group, index })).collect()
}

fn of_run(path: &Path, format: Format, written: SystemTime, journal: JournalResults) -> anyhow::Result<()> {
    let task = |unit: &Unit| Task { group: unit.cell, index: unit.network };
    let groups = nominal_groups(&journal.experiment);
    let tasks = match (&journal.search, journal.shard) {
        (Some(_), _) => Vec::new(),
        (None, Some(shard)) => shard_units(&journal.experiment, shard).iter().map(task).collect(),
        (None, None) => all_tasks(&groups),
    };
    let finished = journal.records.iter().map(|record| task(&record.unit)).collect();
    let nouns = Nouns { tasks: "networks", groups: "cells" };
    let start = journal.starts.last().cloned();
    let text = Seen { groups: &groups, nouns, tasks, finished, start, written, now: SystemTime::now() }.text();
    let results = journal.into_results();
    match format {
        Format::Table => Ok(print(&format!("{}: {text}\n{}\n", path.display(), show::table_so_far(&results)))?),
        _ => show::show(&results, format, &mut stdout().lock()),
    }
}

/// What a measurement has done, and the table of the inputs measured.
fn of_measurement(
    path: &Path,
    format: Format,
    written: SystemTime,
    options: &given::Options,
    contents: &Contents,
) -> anyhow::Result<()> {
    // Blocks are of one size, so that any time per block will do.
    let groups = [given::blocks::group(options, 1.0, 0)];
    let (results, start) = valid(contents, &groups, |task, result| given::blocks::check(options, task.index, result).is_ok());
    let finished = results.iter().map(|(task, _)| *task).collect();
    let tasks = all_tasks(&groups);
    let seen = Seen { groups: &groups, nouns: given::job::NOUNS, tasks, finished, start, written, now: SystemTime::now() }.text();
    let mut results = results;
    results.sort_unstable_by_key(|(task, _)| *task);
    let measurement = given::blocks::measurement(options, None, results.into_iter()).map_err(anyhow::Error::msg)?;
    Ok(print(&match format {
        Format::Table => format!("{}: {seen}\n\n{}", path.display(), given::table::text(&measurement)),
        Format::Json => given::table::json(&measurement)?,
        Format::Csv => given::table::csv(&measurement)?,
    })?)
}

/// The results that `is_valid` accepts, each task once, and the last start with their number before it.
#[allow(clippy::type_complexity)]
fn valid<'c>(
    contents: &'c Contents,
    groups: &[Group],
    is_valid: impl Fn(Task, &[u8]) -> bool,
) -> (Vec<(Task, &'c [u8])>, Option<(usize, Start)>) {
    let (mut valid, mut seen, mut before) = (Vec::new(), HashSet::new(), vec![0]);
    for (task, result) in &contents.results {
        let is_task = groups.get(task.group).is_some_and(|group| task.index < group.count);
        if is_task && is_valid(*task, result) && seen.insert(*task) {
            valid.push((*task, result.as_slice()));
        }
        before.push(valid.len());
    }
    let start = contents.starts.last().and_then(|(results, text)| Some((before[*results], Start::from_toml(text)?)));
    (valid, start)
}

/// The finished networks of an audit, its groups, and its last start with the number of networks finished before.
#[allow(clippy::type_complexity)]
fn of_audit(path: &Path, options: Options) -> Result<(Vec<Task>, Vec<Group>, Option<(usize, Start)>), String> {
    let unlimited = Resources { threads: 1, memory: u64::MAX };
    let job = audit::job::Job::new(options, Outputs::default(), unlimited).map_err(|error| error.to_string())?;
    let contents = journal::read(path, |_| Ok(job.largest_result()))?;
    let (results, start) = valid(&contents, job.groups(), |task, result| job.check(task, result).is_ok());
    let finished = results.into_iter().map(|(task, _)| task).collect();
    Ok((finished, job.groups().to_vec(), start))
}
