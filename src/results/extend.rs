//! Networks that a run reuses from other files: results files (complete or partial), journals and shards.
//!
//! A network is a function of its cell, its index and the form of the experiment (seed, inputs per network, law of weights and inputs,
//! bounds, precision, engine, search) and of the science version. The grid and the number of networks are no part of that:
//! they say which networks there are. So a file of the same form has the bytes that the run would compute.
//!
//! Steps along one direction are taken without those along others where they do not depend on them ([`stands_alone`]).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use bytesize::ByteSize;
use toml::{Table, Value};

use super::read::Reader;
use super::{head, journal, shard};
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

/// Samples of a results file read at a time, as many as one chunk has.
pub const BLOCK: usize = 1 << 16;
/// Bytes per sample that is read: of its arrays, and of its record.
const SAMPLE: usize = 2 * size_of::<Sample>();

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

/// `experiment` along some of its directions only.
pub fn along(experiment: &Experiment, directions: Vec<Direction>) -> Experiment {
    let certify = experiment.certify && directions.contains(&Direction::Nearest);
    Experiment { directions, certify, ..experiment.clone() }
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
    /// of those of which it adds some directions. Reads only networks of this run, some at a time: besides what it takes it holds less than
    /// [`BLOCK`] samples, or one network if that is more, which must fit into `memory` bytes.
    ///
    /// # Errors
    /// [`BadInput`] if the file cannot be read, is of another form, has nothing of this run, or one of its networks does not fit.
    pub fn take(&mut self, path: &Path, memory: u64) -> Result<(Vec<Encoded>, usize), BadInput> {
        let refuse = |why: String| BadInput::new(format!("cannot extend {}", path.display()), why, REMEDY);
        let found = Found::open(path).map_err(refuse)?;
        let theirs = found.experiment().clone();
        let this = shard::identity(self.experiment, None, &[]);
        let has_nearest = [&theirs, self.experiment].map(|experiment| experiment.directions.contains(&Direction::Nearest));
        let shared = has_nearest == [true, true];
        if let Some((key, theirs, ours)) = differing(&form(found.identity(), shared), &form(this, shared)) {
            let (theirs, ours) = values_apart(theirs, ours);
            return Err(refuse(format!("its {key} is {theirs}, that of this run is {ours}")));
        }
        let network = (SAMPLE * theirs.samples_of_network()) as u64;
        if network > memory {
            let (network, memory) = (ByteSize(network), ByteSize(memory));
            return Err(BadInput::new(
                format!("cannot extend {}", path.display()),
                format!("one of its networks needs {network} to be read, and the run has {memory} for it"),
                "give more --memory, or omit --extend",
            ));
        }
        let (mut complete, mut partly, mut common) = (Vec::new(), 0, 0);
        let (places, networks) = (self.places.clone(), self.experiment.networks);
        let is_wanted = |cell: Cell| places.contains_key(&cell);
        let take = |cell: Cell, method: Method, UnitRecord { unit, samples, seconds }: UnitRecord| {
            let (place, own_method) = places[&cell];
            common += 1;
            let same = theirs.directions == self.experiment.directions;
            if same && method != own_method {
                return Err(format!("its cell {cell} was measured by {method}, this run would take {own_method}"));
            }
            let alone = |experiment: &Experiment| stands_alone(cell, method, experiment);
            let is_apart = method == own_method && alone(&theirs) && alone(self.experiment);
            if !(same || is_apart) {
                return Ok(());
            }
            let unit = Unit { cell: place, network: unit.network };
            match self.add(unit, &theirs.directions, &samples, seconds) {
                Added::Nothing => {}
                Added::Some => partly += 1,
                Added::Rest(part) => {
                    complete.push((unit, part.complete(&[], 0.0, self.experiment)));
                    self.complete.insert(unit);
                }
            }
            Ok(())
        };
        found.each(is_wanted, networks, take).map_err(refuse)?;
        match common {
            0 => Err(refuse("it has none of the networks of this run".to_string())),
            // Of a later file everything may be there already.
            _ if self.parts.is_empty() && self.complete.is_empty() => {
                let names = |experiment: &Experiment| experiment.directions.iter().map(|d| d.name()).collect::<Vec<_>>().join(", ");
                let (theirs, ours) = (names(&theirs), names(self.experiment));
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

/// A file with networks, open.
enum Found {
    Journal(Box<journal::Reader>),
    Results(Box<Reader>),
}

impl Found {
    fn open(path: &Path) -> Result<Self, String> {
        if Header::is_at(path) {
            return Ok(Self::Journal(Box::new(journal::Reader::open(path)?)));
        }
        // A file of another format is refused by its reader, in words.
        if let Ok(head) = head::read(path)
            && !head.is_current
        {
            let version = head.science_version.map_or_else(|| "no".to_string(), |version| version.to_string());
            return Err(format!("it has version {version} of the science, this program has version {SCIENCE_VERSION}"));
        }
        Ok(Self::Results(Box::new(Reader::open(path).map_err(|refused| refused.why)?)))
    }

    fn experiment(&self) -> &Experiment {
        match self {
            Self::Journal(journal) => &journal.experiment,
            Self::Results(file) => &file.experiment,
        }
    }

    /// As of a journal.
    fn identity(&self) -> Table {
        match self {
            Self::Journal(journal) => journal.header().0.clone(),
            Self::Results(file) => shard::identity(&file.experiment, None, &[]),
        }
    }

    /// Calls `take` with the records of the first `networks` networks of the cells that are wanted; their units are those of the file.
    fn each(
        self,
        is_wanted: impl Fn(Cell) -> bool,
        networks: usize,
        mut take: impl FnMut(Cell, Method, UnitRecord) -> Result<(), String>,
    ) -> Result<(), String> {
        match self {
            Self::Journal(mut journal) => {
                let cells = journal.experiment.cells();
                while let Some(record) = journal.next_record()? {
                    let (cell, method) = (cells[record.unit.cell], journal.methods[record.unit.cell]);
                    if is_wanted(cell) && record.unit.network < networks {
                        take(cell, method, record)?;
                    }
                }
            }
            Self::Results(file) => {
                let networks = networks.min(file.experiment.networks);
                let step = (BLOCK / file.experiment.samples_of_network()).max(1);
                for (index, &cell) in file.cells.iter().enumerate().filter(|(_, cell)| is_wanted(**cell)) {
                    let Some(method) = file.method(index)? else { continue };
                    for first in (0..networks).step_by(step) {
                        let records = file.records(index, first..networks.min(first + step))?;
                        records.into_iter().try_for_each(|record| take(cell, method, record))?;
                    }
                }
            }
        }
        Ok(())
    }
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
