//! Journal headers and records of an experiment, and shard files. A shard file is the closed journal of its shard.
//!
//! `docs/file-format.md` has the layout of journals. The header of an experiment's journal is TOML:
//!
//! | key | value |
//! |-----|-------|
//! | `shard` | `i/n`; absent in the journal of a whole experiment |
//! | `search` | only of `threshold`: the search as TOML |
//! | `science_version` | [`SCIENCE_VERSION`] |
//! | `revision` | version and commit of the program that created it |
//! | `methods` | engine and search of the cells in order, e.g. `24 × dense line, 60 × dense trace` |
//! | `experiment` | the experiment as a table |
//!
//! Groups are cells, tasks are networks, and a result is the samples of a network as encoded by [`codec`]. A closed journal ends with its
//! provenance.

use std::path::Path;

use toml::{Table, Value};

use crate::error::BadInput;
use crate::experiment::{Experiment, Shard};
use crate::job::journal::{self, Header};
use crate::measure::SCIENCE_VERSION;
use crate::model::{Method, Unit};
use crate::provenance::Provenance;
use crate::record::{UnitRecord, check_sample, check_seconds, codec};
use crate::threshold::Request;

/// The key of a search for thresholds in the header of its journal.
pub const SEARCH: &str = "search";

/// A finished shard.
#[derive(Debug, Clone)]
pub struct ShardResults {
    pub shard: Shard,
    pub experiment: Experiment,
    /// One per cell of the experiment.
    pub methods: Vec<Method>,
    pub provenance: Provenance,
    /// Records of this shard's units, in any order.
    pub records: Vec<UnitRecord>,
}

/// Everything that determines the bytes of the records. Ranks, threads, memory and the CPU do not.
pub fn identity(experiment: &Experiment, shard: Option<Shard>, methods: &[Method]) -> Table {
    let experiment: Table = experiment.to_toml().parse().expect("an experiment is TOML");
    let shard = shard.map(|shard| ("shard".to_string(), Value::from(format!("{}/{}", shard.number(), shard.count()))));
    let own = [("methods".to_string(), Value::from(methods_text(methods))), ("experiment".to_string(), Value::from(experiment))];
    journal::identity(SCIENCE_VERSION, shard.into_iter().chain(own))
}

fn methods_text(methods: &[Method]) -> String {
    let runs = methods.chunk_by(|a, b| a == b);
    let texts: Vec<String> = runs.map(|run| format!("{} × {}", run.len(), run[0])).collect();
    texts.join(", ")
}

/// Parses [`methods_text`] for `cells` cells.
fn parse_methods(text: &str, cells: usize) -> Option<Vec<Method>> {
    let mut methods = Vec::new();
    for run in text.split(", ") {
        let (count, method) = run.split_once(" × ")?;
        let count = count.parse().ok().filter(|&count: &usize| count <= cells - methods.len())?;
        methods.extend(std::iter::repeat_n(Method::parse(method)?, count));
    }
    (methods.len() == cells).then_some(methods)
}

/// Reads a shard file. Memory use is bounded by a multiple of the file size.
///
/// # Errors
/// [`BadInput`] for any defect of the file.
pub fn read(path: &Path) -> Result<ShardResults, BadInput> {
    read_shard(path).map_err(|why| {
        let what = format!("cannot read the shard {}", path.display());
        BadInput::new(what, why, "give a file that `advstep-hpc run --shard` wrote, or run that shard again")
    })
}

fn read_shard(path: &Path) -> Result<ShardResults, String> {
    let longest = |header: &Header| Ok(codec::encoded_bytes(contents(header)?.experiment.samples_of_network()));
    let closed = journal::read_closed(path, longest)?;
    let Contents { shard, experiment, methods, .. } = contents(&closed.header)?;
    let shard = shard.ok_or("its header names no shard")?;
    let provenance = Provenance::from_toml(&closed.text).map_err(|why| format!("its provenance is damaged: {why}"))?;
    let record = |(task, bytes): (crate::job::Task, Vec<u8>)| {
        let unit = Unit { cell: task.group, network: task.index };
        record(&experiment, unit, &bytes).map_err(|why| format!("network {} of cell {}: {why}", unit.network, unit.cell))
    };
    let records = closed.results.into_iter().map(record).collect::<Result<_, _>>()?;
    Ok(ShardResults { shard, experiment, methods, provenance, records })
}

/// The header of the journal of a run, a shard, or a search for thresholds. Every field is validated: the checksum guards against accidents
/// only.
pub(super) struct Contents {
    pub shard: Option<Shard>,
    /// The search for thresholds, if it is one.
    pub search: Option<Request>,
    /// Its cells are the groups of the journal; those of a search are all that it may measure.
    pub experiment: Experiment,
    /// One per cell.
    pub methods: Vec<Method>,
}

pub(super) fn contents(header: &Header) -> Result<Contents, String> {
    let text = |key: &str| header.0.get(key).and_then(Value::as_str).ok_or(format!("its header has no text `{key}`"));
    let version = header.0.get("science_version").and_then(Value::as_integer);
    if version != Some(i64::from(SCIENCE_VERSION)) {
        let version = version.map_or_else(|| "no".to_string(), |version| version.to_string());
        return Err(format!("it has version {version} of the science, this program has version {SCIENCE_VERSION}"));
    }
    let shard = match header.0.contains_key("shard") {
        true => Some(text("shard")?.parse().map_err(|_| "its header names no shard")?),
        false => None,
    };
    let experiment = header.0.get("experiment").and_then(Value::as_table).ok_or("its header has no experiment")?;
    let experiment =
        Experiment::from_toml(&experiment.to_string(), "its header").map_err(|error| format!("its experiment: {error}"))?;
    let (search, experiment) = match header.0.contains_key(SEARCH) {
        true => {
            let table = text(SEARCH)?.parse().map_err(|_| "its search is not TOML")?;
            let search = Request::of_table(&table, &experiment).map_err(|error| error.why)?;
            let candidates = search.candidates(search.max_networks);
            (Some(search), candidates)
        }
        false => (None, experiment),
    };
    let methods = parse_methods(text("methods")?, experiment.cell_count());
    let methods = methods.ok_or_else(|| format!("its header does not name the methods of {} cells", experiment.cell_count()))?;
    Ok(Contents { shard, search, experiment, methods })
}

/// Decodes and checks the record of `unit`.
///
/// # Errors
/// If the bytes do not decode, the experiment has no such network, or a sample is impossible.
pub fn record(experiment: &Experiment, unit: Unit, bytes: &[u8]) -> Result<UnitRecord, String> {
    if unit.cell >= experiment.cell_count() || unit.network >= experiment.networks {
        return Err("its experiment has no such network".to_string());
    }
    let (samples, seconds) = codec::decode(bytes).map_err(|error| error.to_string())?;
    if samples.len() != experiment.samples_of_network() {
        return Err(format!("{} samples for {}", samples.len(), experiment.samples_of_network()));
    }
    check_seconds(seconds)?;
    samples.iter().try_for_each(|sample| check_sample(sample, experiment.bounds()))?;
    Ok(UnitRecord { unit, samples, seconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{Existing, Target};
    use crate::job::journal::Journal;
    use crate::job::{Group, Store, Task};
    use crate::model::{EngineName, SearchName};
    use crate::plan::shard_units;
    use crate::record::{Sample, Status};

    const TOML: &str = "depths = [1]\ndims = [2]\nwidths = [3, 4]\nnetworks = 2\ninputs = 3\nseed = 5";

    fn header() -> Table {
        let experiment = Experiment::from_toml(TOML, "test").unwrap();
        let shard = Shard::new(2, 2);
        identity(&experiment, shard, &[Method { engine: EngineName::Dense, search: SearchName::Line }; 2])
    }

    fn samples() -> Vec<Sample> {
        let dead = Sample::unsearched(0.0, 0.0, 1.0);
        let found = Sample { evaluations: 2, ..Sample::unsearched(-1.0, 1.0, 1.0).flipping_at(1.5, Status::FoundExact) };
        vec![dead, found, found]
    }

    /// Writes shard 2 of 2 with this header, and reads it.
    fn read_with(header: Table, samples: &[Sample]) -> Result<ShardResults, String> {
        let experiment = Experiment::from_toml(TOML, "test").unwrap();
        let groups = [Group::on_threads(2, 1.0, 1); 2];
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.shard");
        let mut store = Store::new(&groups);
        let mut journal = Journal::create(Target::claim(&path, "--out", &[]).unwrap(), &Header(header), 1).unwrap();
        for Unit { cell, network } in shard_units(&experiment, Shard::new(2, 2).unwrap()) {
            let task = Task { group: cell, index: network };
            store.insert(task, codec::encode(samples, 0.5)).unwrap();
            journal.note(task);
        }
        let provenance = Provenance { ranks: 1, threads: 1, ..Provenance::default() };
        journal.close(&store, &provenance.to_toml(), Existing::Refuse).unwrap();
        read(&path).map_err(|error| error.why)
    }

    #[test]
    fn a_shard_comes_back() {
        let back = read_with(header(), &samples()).unwrap();
        let experiment = Experiment::from_toml(TOML, "test").unwrap();
        assert_eq!((back.shard, &back.experiment, back.methods.len()), (Shard::new(2, 2).unwrap(), &experiment, 2));
        let units: Vec<Unit> = back.records.iter().map(|record| record.unit).collect();
        assert_eq!(units, shard_units(&experiment, back.shard));
        assert!(back.records.iter().all(|record| codec::encode(&record.samples, 0.5) == codec::encode(&samples(), 0.5)));
        assert_eq!((back.provenance.ranks, back.provenance.threads), (1, 1));
    }

    #[test]
    fn what_a_forger_writes_is_refused_without_absurd_allocations() {
        let forged = |from: &str, to: &str| {
            let text = header().to_string();
            assert!(text.contains(from), "{from} in {text}");
            text.replace(from, to).parse::<Table>().unwrap()
        };
        assert!(read_with(forged("dims = [2]", "dims = [2]"), &samples()).is_ok());
        for (from, to, why) in [
            ("shard = \"2/2\"", "shard = \"3/2\"", "names no shard"),
            ("inputs = 3", "inputs = 100000000", "samples for"),
            ("networks = 2", "networks = 1", "no such network"),
            ("widths = [3, 4]", "widths = [3, 4, 5]", "methods of 3 cells"),
            ("2 × dense line", "2 × thick line", "methods of 2 cells"),
            ("2 × dense line", "9999999999 × dense line", "methods of 2 cells"),
            ("2 × dense line", "1 × dense line", "methods of 2 cells"),
            ("dims = [2]", "dims = [0]", "its experiment"),
            ("science_version = ", "science_version = 1", "version 1"),
        ] {
            let found = read_with(forged(from, to), &samples()).unwrap_err();
            assert!(found.contains(why), "{to}: {found}");
        }
        let mut far = samples();
        far[1].step = 1e6;
        assert!(read_with(header(), &far).unwrap_err().contains("a step of"));
    }

    #[test]
    fn methods_come_back() {
        let [dense, scan] = ["dense line", "implicit scan"].map(|text| Method::parse(text).unwrap());
        for methods in [vec![dense], vec![dense, dense, scan], vec![scan, dense, scan]] {
            assert_eq!(parse_methods(&methods_text(&methods), methods.len()), Some(methods));
        }
        for text in ["", "1 dense line", "x × dense line", "1 × dense", "1 × dense line, "] {
            assert_eq!(parse_methods(text, 1), None, "{text}");
        }
    }
}
