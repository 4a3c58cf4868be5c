//! The networks in the journal of a run, a shard or a search for thresholds: while it runs, after it has stopped, or closed.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use super::shard::{self, Contents, contents};
use super::{CellResults, Results};
use crate::experiment::{Experiment, Shard};
use crate::job::journal::{self, Header, Start};
use crate::model::{Method, Unit};
use crate::provenance::Provenance;
use crate::record::{UnitRecord, codec};
use crate::threshold::Request;

/// What a journal holds.
#[derive(Debug)]
pub struct JournalResults {
    pub header: Header,
    pub shard: Option<Shard>,
    /// The search for thresholds, if it is one.
    pub search: Option<Request>,
    /// Its cells are those of the records; those of a search are all that it may measure.
    pub experiment: Experiment,
    /// One per cell.
    pub methods: Vec<Method>,
    /// Distinct, in the order of writing.
    pub records: Vec<UnitRecord>,
    /// For every start of the job, how many of the records were there before.
    pub starts: Vec<(usize, Start)>,
    /// Bytes that hold no record: damage, or one that is being written.
    pub damage: u64,
}

impl JournalResults {
    /// The cells with a network, also cells in part. Those of a search have the networks of its first stage, or more.
    pub fn into_results(self) -> Results {
        let Self { search, experiment, methods, records, .. } = self;
        let all = experiment.cells();
        let mut by_cell: BTreeMap<usize, Vec<UnitRecord>> = BTreeMap::new();
        records.into_iter().for_each(|record| by_cell.entry(record.unit.cell).or_default().push(record));
        let cell = |(index, mut records): (usize, Vec<UnitRecord>)| {
            records.sort_by_key(|record| record.unit.network);
            CellResults { cell: all[index], method: methods[index], records }
        };
        let cells = by_cell.into_iter().map(cell).collect();
        let networks = search.map_or(experiment.networks, |search| search.networks());
        Results { experiment: Experiment { networks, ..experiment }, cells, provenance: Provenance::default(), threshold: None }
    }
}

/// Size of the largest result of a journal of networks, in bytes.
fn largest_result(header: &Header) -> Result<usize, String> {
    if header.0.contains_key("audit") {
        return Err("it is the journal of an audit".to_string());
    }
    Ok(codec::encoded_bytes(contents(header)?.experiment.samples_of_network()))
}

/// A journal of networks that is read one network at a time.
pub struct Reader {
    journal: journal::Reader,
    pub experiment: Experiment,
    /// One per cell.
    pub methods: Vec<Method>,
}

impl Reader {
    /// Opens the journal at `path` without locking or changing it.
    ///
    /// # Errors
    /// Why it is not the journal of networks of this science version.
    pub fn open(path: &Path) -> Result<Self, String> {
        let journal = journal::Reader::open(path, largest_result)?;
        let Contents { experiment, methods, .. } = contents(&journal.header)?;
        Ok(Self { journal, experiment, methods })
    }

    pub fn header(&self) -> &Header {
        &self.journal.header
    }

    /// The next sound record, perhaps once more; `None` at the end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn next_record(&mut self) -> Result<Option<UnitRecord>, String> {
        while let Some((task, bytes)) = self.journal.next_result()? {
            let unit = Unit { cell: task.group, network: task.index };
            if let Ok(record) = shard::record(&self.experiment, unit, &bytes) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// Reads the journal at `path` without locking or changing it.
///
/// # Errors
/// Why it is not the journal of networks of this science version. Memory use is bounded by a multiple of the file size.
pub fn read(path: &Path) -> Result<JournalResults, String> {
    let journal::Contents { header, results, starts, damage, .. } = journal::read(path, largest_result)?;
    let Contents { shard, search, experiment, methods } = contents(&header)?;
    let (mut seen, mut records) = (HashSet::with_capacity(results.len()), Vec::with_capacity(results.len()));
    // Of the first n results, how many are records.
    let mut before = vec![0];
    for (task, bytes) in results {
        let unit = Unit { cell: task.group, network: task.index };
        if let Ok(record) = shard::record(&experiment, unit, &bytes)
            && seen.insert(unit)
        {
            records.push(record);
        }
        before.push(records.len());
    }
    let starts = starts.into_iter().filter_map(|(results, text)| Some((before[results], Start::from_toml(&text)?))).collect();
    Ok(JournalResults { header, shard, search, experiment, methods, records, starts, damage })
}
