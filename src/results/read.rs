//! A results file → [`Results`], with every value checked. Foreign, incomplete and newer files are refused.
//!
//! A file rewritten by another program has lost its [`seal`] and is refused unless read with [`read_unsealed`]. That tolerates changes of form
//! (attribute types, chunking, filters, additions, a missing provenance) and, in place of the seal, checks that the statistics follow from the
//! samples.

use std::ops::Range;
use std::path::Path;

use hdf5::types::{TypeDescriptor, VarLenUnicode};
use hdf5::{Dataset, File, H5Type, SliceOrIndex};

use super::schema::{self, Axes, Axis, Variable};
use super::{CellResults, Results, statistics};
use crate::error::BadInput;
use crate::experiment::Experiment;
use crate::files::attribute::{Form, number, text};
use crate::files::contained;
use crate::files::crash::guarded;
use crate::files::{self, seal};
use crate::job::journal::Header;
use crate::model::{Cell, EngineName, Method, SearchName, Unit};
use crate::provenance::Provenance;
use crate::record::{Sample, Status, UnitRecord, check_sample, check_seconds};
use crate::threshold::Request;

/// Deflate compresses by at most 1032:1, so a file cannot hold an array more than this many times its size.
const LARGEST_RATIO: u64 = 1100;

/// Reads the results file at `path`. Memory use is bounded by a multiple of the file size.
///
/// # Errors
/// [`BadInput`] for any defect of the file.
pub fn read(path: &Path) -> anyhow::Result<Results> {
    check_seal(path)?;
    Ok(read_checked(path, Form::Own).map_err(|why| cannot_read(path, why, REMEDY))?)
}

fn check_seal(path: &Path) -> Result<(), BadInput> {
    match seal::flaw(path).map_err(|error| cannot_read(path, error.to_string(), REMEDY))? {
        None => Ok(()),
        Some(_) if Header::is_at(path) => {
            let remedy = "re-run its command to finish a journal, merge the files of all shards";
            Err(cannot_read(path, "it is a journal or the file of a shard".into(), remedy))
        }
        Some(flaw) => {
            let remedy = if files::hdf5::has_signature(path) { UNSEALED_REMEDY } else { REMEDY };
            Err(cannot_read(path, flaw.into(), remedy))
        }
    }
}

fn cannot_read(path: &Path, why: Why, remedy: &str) -> BadInput {
    BadInput::new(format!("cannot read results from {}", path.display()), why, remedy)
}

/// As [`read`], but accepts a file whose seal was lost when another program rewrote it.
///
/// # Errors
/// As [`read`]. A crash of the HDF5 library ends the process with an error.
pub fn read_unsealed(path: &Path) -> anyhow::Result<Results> {
    match seal::flaw(path) {
        Ok(Some(_)) if files::hdf5::has_signature(path) => {
            let read = guarded(path, || read_checked(path, Form::Any));
            Ok(read.map_err(|why| cannot_read(path, why, REMEDY))?)
        }
        _ => read(path),
    }
}

const REMEDY: &str = "give a file that `advstep-hpc run` wrote";
const UNSEALED_REMEDY: &str = "give it as advstep-hpc wrote it, or --unsealed to read it after a check of every value";

/// Why a file is refused.
pub(super) type Why = String;

fn read_checked(path: &Path, form: Form) -> Result<Results, Why> {
    let reader = Reader::of(path, form)?;
    let networks = 0..reader.experiment.networks;
    let cells = (0..reader.cells.len()).map(|index| match reader.method(index)? {
        None => Ok(None),
        Some(method) => {
            let records = reader.records(index, networks.clone())?;
            Ok(Some(CellResults { cell: reader.cells[index], method, records }))
        }
    });
    let cells = cells.filter_map(Result::transpose).collect::<Result<Vec<_>, Why>>()?;
    if form == Form::Any {
        statistics::check(&reader.source, &reader.experiment, &cells, &reader.variables)?;
    }
    let Reader { experiment, provenance, threshold, .. } = reader;
    Ok(Results { experiment, cells, provenance, threshold })
}

/// An open results file, of which the samples are read on demand.
pub struct Reader {
    pub experiment: Experiment,
    pub provenance: Provenance,
    /// Those of the experiment, also where they were not run.
    pub cells: Vec<Cell>,
    threshold: Option<Request>,
    complete: bool,
    source: Source,
    variables: Vec<Variable>,
    /// Codes, per cell.
    engines: Vec<u8>,
    searches: Vec<u8>,
    /// Per cell and network; `None` if another program dropped them.
    seconds: Option<Vec<f64>>,
    samples: SampleReader,
}

impl Reader {
    /// Opens the results file at `path` and checks everything but the samples.
    ///
    /// # Errors
    /// [`BadInput`] for any defect.
    pub fn open(path: &Path) -> Result<Self, BadInput> {
        check_seal(path)?;
        Self::of(path, Form::Own).map_err(|why| cannot_read(path, why, REMEDY))
    }

    fn of(path: &Path, form: Form) -> Result<Self, Why> {
        let bytes = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
        let file = files::hdf5::open(path).map_err(|error| format!("not an HDF5 file, or not a whole one: {error}"))?;
        contained::check_file(&file)?;
        let source = Source { file, bytes, form };

        let format = text(&source.file, "format", form)?;
        if format != schema::FORMAT {
            return Err(format!("its format is `{format}`, not `{}`", schema::FORMAT));
        }
        let version: u32 = number(&source.file, "format_version", form)?;
        let (oldest, newest) = (schema::VERSION, schema::DIRECTIONS_VERSION);
        if !(oldest..=newest).contains(&version) {
            return Err(format!("its format version is {version}, this program reads versions {oldest} to {newest}"));
        }
        let experiment = Experiment::from_toml(&text(&source.file, "experiment", form)?, "its attribute `experiment`")
            .map_err(|error| format!("its experiment: {error}"))?;
        if !schema::is_version_of(&experiment, version) {
            let made_of = match (experiment.directions.len(), experiment.hidden.is_empty()) {
                (1, true) => "made of depths and widths",
                (1, false) => "made of hidden layers",
                _ => "with several directions",
            };
            let expected = schema::version_of(&experiment);
            return Err(format!("its format version is {version}, that of experiments {made_of} is {expected}"));
        }
        if number::<u64>(&source.file, "seed", form)? != experiment.seed {
            return Err("its attribute `seed` is not the seed of its experiment".into());
        }
        let complete = match number::<u8>(&source.file, "complete", form)? {
            code @ (0 | 1) => code == 1,
            code => return Err(format!("its attribute `complete` is {code}, not 0 or 1")),
        };
        source.check_counts(&experiment)?;
        let threshold = match source.file.attr(schema::THRESHOLD) {
            Ok(_) => Some(read_threshold(&text(&source.file, schema::THRESHOLD, form)?, &experiment)?),
            Err(_) => None,
        };
        let provenance = match source.file.group(schema::PROVENANCE) {
            Ok(group) => Provenance::read_from(&group, form)?,
            Err(_) if form == Form::Any => Provenance::default(),
            Err(_) => return Err(format!("it has no group `{}`", schema::PROVENANCE)),
        };
        let variables = source.variables(&experiment);
        let cells = experiment.cells();
        let axes = Axes::of(&experiment, cells.len());
        source.check_axes(&axes, &cells, &variables)?;
        let engines = source.whole(&schema::ENGINE, &axes)?;
        let searches = source.whole(&schema::SEARCH, &axes)?;
        // Missing without provenance.
        let seconds = match variables.iter().find(|variable| variable.path == schema::UNIT_SECONDS.path) {
            Some(variable) => Some(source.whole(variable, &axes)?),
            None => None,
        };
        let samples = SampleReader::open(&source, &experiment, &axes)?;
        Ok(Self { experiment, provenance, cells, threshold, complete, source, variables, engines, searches, seconds, samples })
    }

    /// How cell `index` was run; `None` if it was not: the file is partial.
    ///
    /// # Errors
    /// Its engine or search is unknown, or it was not run and has samples.
    pub fn method(&self, index: usize) -> Result<Option<Method>, Why> {
        let (engine, search) = (self.engines[index], self.searches[index]);
        if !self.complete && engine == schema::NO_METHOD {
            self.samples.check_blank(index).map_err(|why| format!("cell {}: {why}", self.cells[index]))?;
            return Ok(None);
        }
        let engine = EngineName::from_code(engine).ok_or_else(|| unknown_code("engine", engine))?;
        let search = SearchName::from_code(search).ok_or_else(|| unknown_code("search", search))?;
        Ok(Some(Method { engine, search }))
    }

    /// These networks of cell `index`, which was run.
    ///
    /// # Errors
    /// A sample is damaged or impossible.
    pub fn records(&self, index: usize, networks: Range<usize>) -> Result<Vec<UnitRecord>, Why> {
        let seconds = self.seconds.as_ref().map(|seconds| &seconds[index * self.experiment.networks..][networks.clone()]);
        let records = self.samples.records(&self.experiment, index, networks, seconds);
        records.map_err(|why| format!("cell {}: {why}", self.cells[index]))
    }
}

fn read_threshold(text: &str, experiment: &Experiment) -> Result<Request, Why> {
    let table = text.parse().map_err(|_| format!("its attribute `{}` is not TOML", schema::THRESHOLD))?;
    Request::of_table(&table, experiment).map_err(|error| format!("its attribute `{}`: {}", schema::THRESHOLD, error.why))
}

/// An open file, its size in bytes, and the accepted form of attributes.
pub(super) struct Source {
    file: File,
    bytes: u64,
    form: Form,
}

impl Source {
    /// Refuses an experiment that is too large for the file, before allocating anything of its size.
    fn check_counts(&self, experiment: &Experiment) -> Result<(), Why> {
        let samples = experiment.cell_count().saturating_mul(experiment.networks).saturating_mul(experiment.samples_of_network());
        self.check_size("its experiment", samples as u64, schema::STEP.kind.bytes())
    }

    fn check_size(&self, what: &str, elements: u64, element_bytes: usize) -> Result<(), Why> {
        match elements.saturating_mul(element_bytes as u64) <= self.bytes.saturating_mul(LARGEST_RATIO) {
            true => Ok(()),
            false => Err(format!("{what} is larger than a file of {} bytes can hold", self.bytes)),
        }
    }

    /// Opens an array and checks its type, shape and size.
    fn open(&self, path: &str, kind: schema::Kind, shape: &[usize]) -> Result<Dataset, Why> {
        let dataset = self.file.dataset(path).map_err(|_| format!("it has no array `{path}`"))?;
        let found = dataset.dtype().and_then(|dtype| dtype.to_descriptor());
        if found.as_ref().ok() != Some(&kind.descriptor()) {
            return Err(format!("its array `{path}` is not of type {}", kind.descriptor()));
        }
        let found = dataset.get_shape().map_err(|error| error.to_string())?;
        if found != shape {
            return Err(format!("its array `{path}` has shape {found:?}, its experiment needs {shape:?}"));
        }
        let elements = shape.iter().fold(1u64, |product, &length| product.saturating_mul(length as u64));
        self.check_size(&format!("its array `{path}`"), elements, kind.bytes())?;
        Ok(dataset)
    }

    /// Checks the strings along `axis`.
    fn check_labels(&self, axis: Axis, expected: &[String]) -> Result<(), Why> {
        let path = axis.name();
        let dataset = self.file.dataset(path).map_err(|_| format!("it has no array `{path}`"))?;
        let found = dataset.dtype().and_then(|dtype| dtype.to_descriptor());
        if !matches!(found, Ok(TypeDescriptor::VarLenUnicode)) || dataset.shape() != [expected.len()] {
            return Err(format!("its array `{path}` does not hold {} strings", expected.len()));
        }
        let found: Vec<VarLenUnicode> = dataset.read_raw().map_err(|error| damaged(path, &error))?;
        match found.iter().map(|label| label.as_bytes()).eq(expected.iter().map(|label| label.as_bytes())) {
            true => Ok(()),
            false => Err(format!("its axis `{path}` is not that of its experiment")),
        }
    }

    /// Checks the coordinates, the architectures of the cells, and type and shape of every array.
    fn check_axes(&self, axes: &Axes, cells: &[Cell], variables: &[Variable]) -> Result<(), Why> {
        for axis in axes.all() {
            if let Some(labels) = axes.labels(axis)
                && !(axis == Axis::Direction && self.holds_integers(axis))
            {
                self.check_labels(axis, &labels)?;
                continue;
            }
            let dataset = self.open(axis.name(), schema::Kind::I64, &axes.shape(&[axis]))?;
            let found: Vec<i64> = dataset.read_raw().map_err(|error| damaged(axis.name(), &error))?;
            if found != axes.along(axis) {
                return Err(format!("its axis `{}` is not that of its experiment", axis.name()));
            }
        }
        for variable in variables {
            self.open(variable.path, variable.kind, &axes.shape(variable.axes))?;
        }
        for (variable, expected) in axes.architectures(cells) {
            if self.whole::<i64>(&variable, axes)? != expected {
                return Err(format!("its array `{}` is not that of its experiment", variable.path));
            }
        }
        Ok(())
    }

    /// The required arrays: all, except provenance dropped by another program.
    fn variables(&self, experiment: &Experiment) -> Vec<Variable> {
        let axes = Axes::of(experiment, experiment.cell_count());
        let mut variables = schema::variables_of(experiment, &axes);
        if self.form == Form::Any && !self.has(schema::UNIT_SECONDS.path) {
            variables.retain(|variable| !variable.path.starts_with(schema::PROVENANCE));
        }
        variables
    }

    /// Whether the coordinates along `axis` are integers, as those of directions before [`schema::DIRECTIONS_VERSION`].
    fn holds_integers(&self, axis: Axis) -> bool {
        let kind = self.file.dataset(axis.name()).and_then(|dataset| dataset.dtype()).and_then(|dtype| dtype.to_descriptor());
        kind.is_ok_and(|kind| kind == schema::Kind::I64.descriptor())
    }

    fn has(&self, path: &str) -> bool {
        contained::dataset(&self.file, path).is_ok_and(|dataset| dataset.is_some())
    }

    pub(super) fn whole<T: H5Type>(&self, variable: &Variable, axes: &Axes) -> Result<Vec<T>, Why> {
        let dataset = self.open(variable.path, variable.kind, &axes.shape(variable.axes))?;
        dataset.read_raw().map_err(|error| damaged(variable.path, &error))
    }
}

fn damaged(path: &str, error: &hdf5::Error) -> Why {
    format!("its array `{path}` is damaged: {error}")
}

fn unknown_code(what: &str, code: u8) -> Why {
    format!("its array `{what}` holds {code}, which this program does not know")
}

/// The sample arrays, read some networks of a cell at a time.
struct SampleReader {
    step: Dataset,
    zero_step: Dataset,
    distance: Dataset,
    input_norm: Dataset,
    certified: Option<Dataset>,
    gradient_norm: Dataset,
    value: Dataset,
    status: Dataset,
    evaluations: Dataset,
}

impl SampleReader {
    fn open(source: &Source, experiment: &Experiment, axes: &Axes) -> Result<Self, Why> {
        let open = |variable: Variable| source.open(variable.path, variable.kind, &axes.shape(variable.axes));
        Ok(Self {
            step: open(schema::STEP)?,
            zero_step: open(schema::ZERO_STEP)?,
            distance: open(schema::DISTANCE)?,
            input_norm: open(schema::INPUT_NORM)?,
            certified: if experiment.certify { Some(open(schema::CERTIFIED)?) } else { None },
            gradient_norm: open(schema::GRADIENT_NORM)?,
            value: open(schema::VALUE)?,
            status: open(schema::STATUS)?,
            evaluations: open(schema::EVALUATIONS)?,
        })
    }

    /// Checks that all samples of cell `index` are marked as not run.
    fn check_blank(&self, index: usize) -> Result<(), Why> {
        let statuses: Vec<u8> = slab(&self.status, index, ..)?;
        match statuses.iter().find(|&&status| status != schema::NOT_RUN) {
            Some(status) => Err(format!("it was not run and has a sample of status {status}")),
            None => Ok(()),
        }
    }

    /// The records of these networks of cell `index`; NaN seconds where `seconds` is `None`.
    fn records(
        &self,
        experiment: &Experiment,
        index: usize,
        networks: Range<usize>,
        seconds: Option<&[f64]>,
    ) -> Result<Vec<UnitRecord>, Why> {
        let doubles = |dataset: &Dataset| slab::<f64>(dataset, index, networks.clone());
        let steps = doubles(&self.step)?;
        let zero_steps = doubles(&self.zero_step)?;
        let distances = doubles(&self.distance)?;
        let input_norms = doubles(&self.input_norm)?;
        let certified = self.certified.as_ref().map(doubles).transpose()?;
        let gradient_norms = doubles(&self.gradient_norm)?;
        let values = doubles(&self.value)?;
        let statuses: Vec<u8> = slab(&self.status, index, networks.clone())?;
        let evaluations: Vec<u32> = slab(&self.evaluations, index, networks.clone())?;
        let (inputs, samples, known) = (experiment.inputs, experiment.samples_of_network(), seconds.is_some());
        let first = networks.start;

        let sample = |at: usize| {
            let status = Status::from_code(statuses[at]).ok_or_else(|| unknown_code("status", statuses[at]))?;
            let sample = Sample {
                step: steps[at],
                zero_step: zero_steps[at],
                distance: distances[at],
                input_norm: input_norms[at],
                certified: certified.as_ref().map_or(f64::NAN, |certified| certified[at]),
                gradient_norm: gradient_norms[at],
                value: values[at],
                status,
                evaluations: evaluations[at],
            };
            check_sample(&sample, experiment.bounds())
                .map_err(|why| format!("network {}, input {}: {why}", first + at / samples, at % inputs))?;
            Ok(sample)
        };
        let record = |network| {
            let at = network - first;
            let seconds = seconds.map_or(f64::NAN, |seconds| seconds[at]);
            if known {
                check_seconds(seconds).map_err(|why| format!("network {network}: {why}"))?;
            }
            let samples = (at * samples..(at + 1) * samples).map(sample).collect::<Result<_, Why>>()?;
            Ok(UnitRecord { unit: Unit { cell: index, network }, samples, seconds })
        };
        networks.map(record).collect()
    }
}

fn slab<T: H5Type>(dataset: &Dataset, cell: usize, networks: impl Into<SliceOrIndex>) -> Result<Vec<T>, Why> {
    let damaged = |error: hdf5::Error| damaged(&dataset.name(), &error);
    let networks = networks.into();
    match dataset.ndim() {
        3 => Ok(dataset.read_slice_2d((cell, networks, ..)).map_err(damaged)?.into_raw_vec_and_offset().0),
        _ => {
            let array: ndarray::Array3<T> = dataset.read_slice((cell, networks, .., ..)).map_err(damaged)?;
            Ok(array.into_raw_vec_and_offset().0)
        }
    }
}
