//! Networks that a run may take from other files instead of computing them: results files, also partial ones, journals and shards.
//!
//! A network is a function of its cell, its index and the form of the experiment (seed, inputs per network, law of weights and inputs,
//! bounds, precision, engine, search), of the science version and of the BLAS kernels. The grid and the number of networks are no part of that:
//! they say which networks there are. So a file of the same form has the bytes that the run would compute.
//!
//! Steps along one direction are taken without those along others where they do not depend on them ([`stands_alone`]).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use toml::{Table, Value};

use super::journal::JournalResults;
use super::{Results, head, journal, read, shard};
use crate::error::BadInput;
use crate::experiment::Experiment;
use crate::job::journal::{Header, REVISION};
use crate::measure::SCIENCE_VERSION;
use crate::model::{Cell, Direction, EngineName, Method, SearchName, Unit};
use crate::record::{Sample, UnitRecord, codec};
use crate::text::{differing, values_apart};

/// Keys of an experiment that say which networks there are, and along which directions.
const GRID: [&str; 8] = ["depths", "dims", "widths", "networks", "hidden", "extra_cells", "extra_widths", "directions"];
/// Keys that matter to direction nearest only.
const NEAREST: [&str; 2] = ["nearest_starts", "certify"];

const REMEDY: &str = "repeat the options of that file, except for depths, dims, widths, networks and directions, or omit --extend";

/// What is known of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Per direction of the run: the samples, empty where missing.
    along: Vec<Vec<Sample>>,
    /// Thread-seconds, also of directions that the run does not have.
    seconds: f64,
}

impl Part {
    /// The directions of `experiment` that are missing.
    pub fn missing(&self, experiment: &Experiment) -> Vec<Direction> {
        let directions = experiment.directions.iter().zip(&self.along);
        directions.filter(|(_, samples)| samples.is_empty()).map(|(&direction, _)| direction).collect()
    }

    /// Fills in what is missing from `samples`, in the order of [`missing`](Self::missing), and returns the encoded record.
    pub fn complete(&self, samples: &[Sample], seconds: f64, experiment: &Experiment) -> Vec<u8> {
        let mut computed = samples.chunks(experiment.inputs);
        let along = self.along.iter().map(|held| if held.is_empty() { computed.next().unwrap_or_default() } else { held });
        codec::encode(&along.flatten().copied().collect::<Vec<Sample>>(), self.seconds + seconds)
    }
}

/// The networks of a run that files hold.
pub struct Extension<'e> {
    experiment: &'e Experiment,
    /// The index and the method of each cell.
    places: HashMap<Cell, (usize, Method)>,
    /// Networks of which some directions are missing.
    parts: BTreeMap<Unit, Part>,
    complete: HashSet<Unit>,
}

/// A network and its encoded record.
pub type Encoded = (Unit, Vec<u8>);

impl<'e> Extension<'e> {
    /// Of a run of `experiment`, whose cells are run by `methods`.
    pub fn new(experiment: &'e Experiment, methods: &[Method]) -> Self {
        let cells = experiment.cells().into_iter().zip(methods).enumerate();
        let places = cells.map(|(index, (cell, method))| (cell, (index, *method))).collect();
        Self { experiment, places, parts: BTreeMap::new(), complete: HashSet::new() }
    }

    /// Takes from the file at `path` what is not there yet; returns the networks that this completes, with their encoded records, and the number
    /// of those of which it adds some directions.
    ///
    /// # Errors
    /// [`BadInput`] if the file cannot be read, is of another form, or has nothing of this run.
    pub fn take(&mut self, path: &Path) -> Result<(Vec<Encoded>, usize), BadInput> {
        let refuse = |why: String| BadInput::new(format!("cannot extend {}", path.display()), why, REMEDY);
        let found = if Header::is_at(path) { of_journal(path) } else { of_results(path) }.map_err(refuse)?;
        let this = shard::identity(self.experiment, None, &[]);
        let has_nearest =
            [&found.experiment, self.experiment].map(|experiment| experiment.directions.contains(&Direction::Nearest));
        let shared = has_nearest == [true, true];
        if let Some((key, theirs, ours)) = differing(&form(found.identity, shared), &form(this, shared)) {
            let (theirs, ours) = values_apart(theirs, ours);
            return Err(refuse(format!("its {key} is {theirs}, that of this run is {ours}")));
        }
        let (mut complete, mut partly, mut common) = (Vec::new(), 0, 0);
        for UnitRecord { unit, samples, seconds } in found.records {
            let (cell, method) = found.cells[unit.cell];
            let Some(&(place, own_method)) = self.places.get(&cell).filter(|_| unit.network < self.experiment.networks) else {
                continue;
            };
            common += 1;
            let same = found.experiment.directions == self.experiment.directions;
            if same && method != own_method {
                return Err(refuse(format!("its cell {cell} was measured by {method}, this run would take {own_method}")));
            }
            let alone = |experiment: &Experiment| stands_alone(cell, method, experiment);
            let is_apart = method == own_method && alone(&found.experiment) && alone(self.experiment);
            if !(same || is_apart) {
                continue;
            }
            let unit = Unit { cell: place, network: unit.network };
            match self.add(unit, &found.experiment.directions, &samples, seconds) {
                Added::Nothing => {}
                Added::Some => partly += 1,
                Added::Rest(part) => {
                    complete.push((unit, part.complete(&[], 0.0, self.experiment)));
                    self.complete.insert(unit);
                }
            }
        }
        match common {
            0 => Err(refuse("it has none of the networks of this run".to_string())),
            // Of a later file everything may be there already.
            _ if self.parts.is_empty() && self.complete.is_empty() => {
                let names = |experiment: &Experiment| experiment.directions.iter().map(|d| d.name()).collect::<Vec<_>>().join(", ");
                let (theirs, ours) = (names(&found.experiment), names(self.experiment));
                Err(refuse(format!("its directions are {theirs}, those of this run {ours}, and no step can be taken by itself")))
            }
            _ => Ok((complete, partly)),
        }
    }

    /// The networks of which some directions are missing.
    pub fn into_parts(self) -> impl Iterator<Item = (Unit, Part)> {
        self.parts.into_iter()
    }

    /// Adds the samples of a network along `directions`.
    fn add(&mut self, unit: Unit, directions: &[Direction], samples: &[Sample], seconds: f64) -> Added {
        let Experiment { directions: own, inputs, .. } = self.experiment;
        let held: Vec<(usize, &[Sample])> = directions
            .iter()
            .zip(samples.chunks(*inputs))
            .filter_map(|(direction, samples)| Some((own.iter().position(|other| other == direction)?, samples)))
            .collect();
        if held.is_empty() || self.complete.contains(&unit) {
            return Added::Nothing;
        }
        let mut part = self.parts.remove(&unit).unwrap_or_else(|| Part { along: vec![Vec::new(); own.len()], seconds: 0.0 });
        let mut is_new = false;
        for (index, samples) in held {
            if part.along[index].is_empty() {
                part.along[index] = samples.to_vec();
                is_new = true;
            }
        }
        if is_new {
            part.seconds += seconds;
        }
        if part.missing(self.experiment).is_empty() {
            return Added::Rest(part);
        }
        self.parts.insert(unit, part);
        if is_new { Added::Some } else { Added::Nothing }
    }
}

/// What a file adds to a network.
enum Added {
    Nothing,
    /// Some directions, not all that are missing.
    Some,
    /// All that were missing.
    Rest(Part),
}

/// Whether the steps along a direction do not depend on the others of `experiment`, in a cell run by `method`: the implicit engines draw along the
/// directions one after the other, and the gradient alone has an initial slope of its own, which scans and lines through the origin use.
pub fn stands_alone(cell: Cell, method: Method, experiment: &Experiment) -> bool {
    let has_own_slope = experiment.directions == [Direction::Gradient] && !experiment.bias;
    let uses_slope = method.search == SearchName::Scan || cell.dim == 1;
    method.engine == EngineName::Dense && !(has_own_slope && uses_slope)
}

/// The networks of a file.
struct Found {
    /// As of a journal.
    identity: Table,
    experiment: Experiment,
    cells: Vec<(Cell, Method)>,
    /// Their units are indices of `cells`.
    records: Vec<UnitRecord>,
}

fn of_journal(path: &Path) -> Result<Found, String> {
    let JournalResults { header, experiment, methods, records, .. } = journal::read(path)?;
    Ok(Found { identity: header.0, cells: experiment.cells().into_iter().zip(methods).collect(), experiment, records })
}

fn of_results(path: &Path) -> Result<Found, String> {
    let why = |error: anyhow::Error| error.downcast_ref::<BadInput>().map_or_else(|| format!("{error:#}"), |bad| bad.why.clone());
    // A file of another format is refused by its reader, in words.
    if let Ok(head) = head::read(path)
        && !head.is_current
    {
        let version = head.science_version.map_or_else(|| "no".to_string(), |version| version.to_string());
        return Err(format!("it has version {version} of the science, this program has version {SCIENCE_VERSION}"));
    }
    let Results { experiment, cells, provenance, .. } = read(path).map_err(why)?;
    let mut identity = shard::identity(&experiment, None, &[]);
    identity.insert("blas".to_string(), Value::from(provenance.blas));
    identity.insert("blas_kernels".to_string(), Value::from(provenance.blas_core));
    let mut found = Found { identity, experiment, cells: Vec::new(), records: Vec::new() };
    for (index, results) in cells.into_iter().enumerate() {
        found.cells.push((results.cell, results.method));
        let of_cell = results.records.into_iter();
        found.records.extend(of_cell.map(|record| UnitRecord { unit: Unit { cell: index, ..record.unit }, ..record }));
    }
    Ok(found)
}

/// What is left of the [identity](shard::identity) of a run without what says which networks and directions there are; with the keys of direction
/// nearest if `nearest`.
fn form(mut identity: Table, nearest: bool) -> Table {
    for key in ["shard", shard::SEARCH, "methods", REVISION] {
        identity.remove(key);
    }
    if let Some(Value::Table(experiment)) = identity.get_mut("experiment") {
        GRID.iter().for_each(|key| _ = experiment.remove(*key));
        if !nearest {
            NEAREST.iter().for_each(|key| _ = experiment.remove(*key));
        }
    }
    identity
}
