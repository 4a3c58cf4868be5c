//! The schema of a results file: names, axes, types, units. Writer and reader share these lists; `docs/file-format.md` documents them.

use hdf5::types::{FloatSize, IntSize, TypeDescriptor};

use crate::experiment::Experiment;
use crate::model::cell::layers_label;
use crate::model::{Cell, Direction};
use crate::results::summary::Summary;

/// Root attribute `format`.
pub const FORMAT: &str = "advstep-hpc results";
/// Root attribute `format_version`. Bump when an older reader would fail or misread a file.
///
/// 5: a step flips the sign; `zero_step`, `distance`, `input_norm` and their statistics. Older files do not tell a step at which f vanishes
/// from one that flips the sign, and are not read.
pub const VERSION: u32 = 5;
/// The same of an experiment made of shapes. 6: the axis `shape` in place of depth and width; in 5 two shapes could not share number of layers and
/// widest layer.
pub const SHAPES_VERSION: u32 = 6;
/// The same of an experiment with several directions, of shapes or not. 7: the axis `direction` holds their names, until then their codes.
pub const DIRECTIONS_VERSION: u32 = 7;
/// Root attribute: the [`SCIENCE_VERSION`](crate::measure::SCIENCE_VERSION) that computed the samples.
pub const SCIENCE_VERSION: &str = "science_version";
/// Root attribute: the [`VERSION`](crate::method::VERSION) of the rule that chose engine and search.
pub const METHOD_VERSION: &str = "method_version";
/// Root attribute, only in files of `threshold`: the search that chose the cells, as TOML.
pub const THRESHOLD: &str = "threshold";
/// Root attribute `program`.
pub const PROGRAM: &str = env!("CARGO_PKG_NAME");
/// Status of samples of cells missing from a partial file.
pub const NOT_RUN: u8 = 255;
/// Engine and search code of such cells.
pub const NO_METHOD: u8 = 255;
/// Attribute of `width` and `cell_width`: the value that encodes infinite width.
pub const INFINITE_WIDTH_ATTRIBUTE: &str = "infinite_width";
/// The group of everything that may differ between runs of the same experiment.
pub const PROVENANCE: &str = "provenance";

/// `format_version` of a file of this experiment.
pub fn version_of(experiment: &Experiment) -> u32 {
    if experiment.directions.len() > 1 { DIRECTIONS_VERSION } else { version_before_directions(experiment) }
}

/// The same before the axis `direction` held names; such files are read too.
fn version_before_directions(experiment: &Experiment) -> u32 {
    if experiment.hidden.is_empty() { VERSION } else { SHAPES_VERSION }
}

/// Whether a file of this experiment may have the format version `version`.
pub fn is_version_of(experiment: &Experiment, version: u32) -> bool {
    version == version_of(experiment) || version == version_before_directions(experiment)
}

/// An array axis; its coordinates are the dataset of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    Depth,
    Dim,
    Width,
    Cell,
    Network,
    Input,
    /// Only in experiments with several directions. Its coordinates are their names.
    Direction,
    /// Only in experiments made of shapes.
    Layer,
    /// In place of depth and width in experiments made of shapes. Its coordinates are strings such as `1000,10,1000`.
    Shape,
}

/// Number of axes.
const AXES: usize = 9;

impl Axis {
    pub const ALL: [Axis; AXES] =
        [Axis::Depth, Axis::Dim, Axis::Width, Axis::Cell, Axis::Network, Axis::Input, Axis::Direction, Axis::Layer, Axis::Shape];

    pub fn name(self) -> &'static str {
        match self {
            Axis::Depth => "depth",
            Axis::Dim => "dim",
            Axis::Width => "width",
            Axis::Cell => "cell",
            Axis::Network => "network",
            Axis::Input => "input",
            Axis::Direction => "direction",
            Axis::Layer => "layer",
            Axis::Shape => "shape",
        }
    }

    pub fn long_name(self) -> &'static str {
        match self {
            Axis::Depth => "number of hidden layers L",
            Axis::Dim => "input dimension d",
            Axis::Width => "neurons in each hidden layer k",
            Axis::Cell => "index of the cell, by depth, then dim, then width",
            Axis::Network => "index of the network within its cell",
            Axis::Input => "index of the input of its network",
            Axis::Direction => "direction of the steps",
            Axis::Layer => "number of the hidden layer, from 1",
            Axis::Shape => "neurons in each hidden layer, first to last",
        }
    }
}

/// The coordinates along every axis of an experiment: a grid of depths, dims and widths, or shapes and dims.
pub struct Axes {
    /// Indices along [`Axis::Shape`], codes along [`Axis::Direction`].
    coordinates: [Vec<i64>; AXES],
    directions: Vec<Direction>,
    /// Widths of the hidden layers, first to last, in experiments made of shapes.
    shapes: Vec<Vec<usize>>,
}

impl Axes {
    pub fn of(experiment: &Experiment, cells: usize) -> Self {
        let [depths, dims, widths] = experiment.axes();
        let values = |values: &[usize]| values.iter().map(|&value| value as i64).collect();
        let indices = |count: usize| (0..count as i64).collect();
        let layers = experiment.hidden.iter().map(Vec::len).max().unwrap_or(0);
        Self {
            coordinates: [
                values(&depths),
                values(&dims),
                values(&widths),
                indices(cells),
                indices(experiment.networks),
                indices(experiment.inputs),
                experiment.directions.iter().map(|&direction| direction as i64).collect(),
                (1..=layers as i64).collect(),
                indices(experiment.hidden.len()),
            ],
            directions: experiment.directions.clone(),
            shapes: experiment.hidden.clone(),
        }
    }

    pub fn along(&self, axis: Axis) -> &[i64] {
        &self.coordinates[axis as usize]
    }

    /// The coordinates along an axis whose coordinates are strings.
    pub fn labels(&self, axis: Axis) -> Option<Vec<String>> {
        match axis {
            Axis::Shape => Some(self.shapes.iter().map(|shape| layers_label(shape.iter().copied())).collect()),
            Axis::Direction => Some(self.directions.iter().map(|direction| direction.name().to_string()).collect()),
            _ => None,
        }
    }

    /// Whether the experiment is made of shapes.
    pub fn has_shapes(&self) -> bool {
        !self.shapes.is_empty()
    }

    fn has(&self, axis: Axis) -> bool {
        match axis {
            Axis::Direction => self.along(Axis::Direction).len() > 1,
            Axis::Layer | Axis::Shape => self.has_shapes(),
            Axis::Depth | Axis::Width => !self.has_shapes(),
            _ => true,
        }
    }

    /// The axes of the file.
    pub fn all(&self) -> Vec<Axis> {
        Axis::ALL.into_iter().filter(|&axis| self.has(axis)).collect()
    }

    /// Those of `axes` that the file has, with the shape in place of depth and width.
    pub fn present(&self, axes: &[Axis]) -> Vec<Axis> {
        let replaced = |&axis: &Axis| if axis == Axis::Depth && self.has_shapes() { Axis::Shape } else { axis };
        axes.iter().map(replaced).filter(|&axis| self.has(axis)).collect()
    }

    /// The shape of an array over those of `axes` that are present.
    pub fn shape(&self, axes: &[Axis]) -> Vec<usize> {
        self.present(axes).into_iter().map(|axis| self.along(axis).len()).collect()
    }

    /// Row-major index of a cell over (depth, dim, width), or (shape, dim).
    pub fn place(&self, cell: &Cell) -> Option<usize> {
        let find = |axis, value: usize| self.along(axis).binary_search(&(value as i64)).ok();
        let dim = find(Axis::Dim, cell.dim)?;
        let dims = self.along(Axis::Dim).len();
        if self.has_shapes() {
            return Some(self.shape_of(cell)? * dims + dim);
        }
        let (depth, width) = (find(Axis::Depth, cell.depth)?, find(Axis::Width, cell.width)?);
        Some((depth * dims + dim) * self.along(Axis::Width).len() + width)
    }

    fn shape_of(&self, cell: &Cell) -> Option<usize> {
        self.shapes.iter().position(|shape| cell.widths().eq(shape.iter().copied()))
    }

    /// The arrays that say what `cells` are, with their contents.
    pub fn architectures(&self, cells: &[Cell]) -> Vec<(Variable, Vec<i64>)> {
        let sizes = |of: fn(&Cell) -> usize| cells.iter().map(|cell| of(cell) as i64).collect::<Vec<i64>>();
        let dims = (CELL_DIM, sizes(|cell| cell.dim));
        if !self.has_shapes() {
            return vec![(CELL_DEPTH, sizes(|cell| cell.depth)), dims, (CELL_WIDTH, sizes(|cell| cell.width))];
        }
        let layers = self.along(Axis::Layer).len();
        let padded =
            |shape: &Vec<usize>| shape.iter().map(|&width| width as i64).chain(std::iter::repeat(0)).take(layers).collect();
        let hidden: Vec<Vec<i64>> = self.shapes.iter().map(padded).collect();
        let place = |cell: &Cell| self.shape_of(cell).map_or(-1, |place| place as i64);
        vec![
            (SHAPE_DEPTH, self.shapes.iter().map(|shape| shape.len() as i64).collect()),
            (SHAPE_HIDDEN, hidden.concat()),
            (CELL_SHAPE, cells.iter().map(place).collect()),
            dims,
        ]
    }
}

/// Element type of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    F64,
    I64,
    U64,
    U32,
    U8,
}

impl Kind {
    pub fn descriptor(self) -> TypeDescriptor {
        match self {
            Kind::F64 => TypeDescriptor::Float(FloatSize::U8),
            Kind::I64 => TypeDescriptor::Integer(IntSize::U8),
            Kind::U64 => TypeDescriptor::Unsigned(IntSize::U8),
            Kind::U32 => TypeDescriptor::Unsigned(IntSize::U4),
            Kind::U8 => TypeDescriptor::Unsigned(IntSize::U1),
        }
    }

    pub fn bytes(self) -> usize {
        self.descriptor().size()
    }
}

/// An array in the file.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Path below the root.
    pub path: &'static str,
    pub axes: &'static [Axis],
    pub kind: Kind,
    /// UDUNITS; `1` if dimensionless.
    pub units: &'static str,
    pub long_name: &'static str,
}

const GRID: &[Axis] = &[Axis::Depth, Axis::Dim, Axis::Width];
const STATISTICS: &[Axis] = &[Axis::Direction, Axis::Depth, Axis::Dim, Axis::Width];
const CELLS: &[Axis] = &[Axis::Cell];
const SHAPES: &[Axis] = &[Axis::Shape];
const LAYERS: &[Axis] = &[Axis::Shape, Axis::Layer];
const UNITS: &[Axis] = &[Axis::Cell, Axis::Network];
/// The axes of the raw samples.
pub const SAMPLES: &[Axis] = &[Axis::Cell, Axis::Network, Axis::Direction, Axis::Input];

const fn variable(path: &'static str, axes: &'static [Axis], kind: Kind, long_name: &'static str) -> Variable {
    Variable { path, axes, kind, units: "1", long_name }
}

const fn seconds(path: &'static str, axes: &'static [Axis], long_name: &'static str) -> Variable {
    Variable { path, axes, kind: Kind::F64, units: "s", long_name }
}

pub const CELL_INDEX: Variable = variable("cell_index", GRID, Kind::I64, "index along cell, -1 where the cell was not run");
pub const DEAD: Variable =
    variable("dead", STATISTICS, Kind::U64, "number of inputs with f(x) = 0 or a zero gradient, 0 where not run");

pub const CELL_DEPTH: Variable = variable("cell_depth", CELLS, Kind::I64, "number of hidden layers L of the cell");
pub const CELL_DIM: Variable = variable("cell_dim", CELLS, Kind::I64, "input dimension d of the cell");
pub const CELL_WIDTH: Variable = variable("cell_width", CELLS, Kind::I64, "neurons in each hidden layer k of the cell");
pub const CELL_SHAPE: Variable = variable("cell_shape", CELLS, Kind::I64, "index of the shape of the cell along shape");
pub const SHAPE_DEPTH: Variable = variable("shape_depth", SHAPES, Kind::I64, "number of hidden layers L of the shape");
pub const SHAPE_HIDDEN: Variable =
    variable("shape_hidden", LAYERS, Kind::I64, "neurons in each hidden layer of the shape, 0 beyond the last");
pub const ENGINE: Variable = variable("engine", CELLS, Kind::U8, "engine that evaluated the networks of the cell");
pub const SEARCH: Variable = variable("search", CELLS, Kind::U8, "search that found the steps of the cell");

pub const STEP: Variable = variable("step", SAMPLES, Kind::F64, "smallest step that flips the sign, NaN unless found");
pub const ZERO_STEP: Variable =
    variable("zero_step", SAMPLES, Kind::F64, "smallest step at which f is 0 without a flip there, NaN if none before the flip");
pub const DISTANCE: Variable = variable("distance", SAMPLES, Kind::F64, "Euclidean distance from x to the flip, NaN unless found");
pub const INPUT_NORM: Variable = variable("input_norm", SAMPLES, Kind::F64, "Euclidean norm of x, without a bias unit");
pub const CERTIFIED: Variable = variable(
    "certified_distance",
    SAMPLES,
    Kind::F64,
    "certified lower bound on the distance at which f loses its sign, NaN except along direction nearest",
);
pub const GRADIENT_NORM: Variable =
    variable("gradient_norm", SAMPLES, Kind::F64, "Euclidean norm of the gradient of f at x, without a bias unit");
pub const VALUE: Variable = variable("value", SAMPLES, Kind::F64, "f(x)");
pub const STATUS: Variable = variable("status", SAMPLES, Kind::U8, "what became of the search");
pub const EVALUATIONS: Variable = variable("evaluations", SAMPLES, Kind::U32, "evaluations of the network along the line");

pub const UNIT_SECONDS: Variable = seconds("provenance/unit_seconds", UNITS, "thread-seconds of the network");
pub const CELL_SECONDS: Variable = seconds("provenance/cell_seconds", GRID, "thread-seconds of all networks, NaN where not run");

/// One field of [`Summary`] over (direction, depth, dim, width) or (direction, shape, dim); NaN where a cell was not run.
pub struct SummaryVariable {
    pub variable: Variable,
    pub of: fn(&Summary) -> f64,
}

const fn summary(path: &'static str, of: fn(&Summary) -> f64, long_name: &'static str) -> SummaryVariable {
    SummaryVariable { variable: variable(path, STATISTICS, Kind::F64, long_name), of }
}

pub const SUMMARIES: [SummaryVariable; 32] = [
    summary("fraction", |s| s.fraction, "fraction of the inputs whose sign flips within the bound"),
    summary("fraction_std_networks", |s| s.fraction_std_networks, "std over networks of the fraction that flips"),
    summary("fraction_lost", |s| s.fraction_lost, "fraction of the inputs whose sign flips or becomes 0 within the bound"),
    summary("step_mean", |s| s.step_mean, "mean smallest step, inputs found"),
    summary("step_std", |s| s.step_std, "std of the smallest step, inputs found, pooled"),
    summary("step_std_networks", |s| s.step_std_networks, "std over networks of the mean smallest step"),
    summary("step_q05", |s| s.step_q05, "5 % quantile of the smallest step, inputs found"),
    summary("step_q50", |s| s.step_q50, "median of the smallest step, inputs found"),
    summary("step_q95", |s| s.step_q95, "95 % quantile of the smallest step, inputs found"),
    summary("distance_mean", |s| s.distance_mean, "mean distance of the smallest step, inputs found"),
    summary("distance_std", |s| s.distance_std, "std of the distance of the smallest step, inputs found, pooled"),
    summary("distance_q05", |s| s.distance_q05, "5 % quantile of the distance, inputs found"),
    summary("distance_q50", |s| s.distance_q50, "median of the distance, inputs found"),
    summary("distance_q95", |s| s.distance_q95, "95 % quantile of the distance, inputs found"),
    summary("relative_distance_mean", |s| s.relative_distance_mean, "mean distance over the norm of the input, inputs found"),
    summary("relative_distance_std", |s| s.relative_distance_std, "std of the distance over the norm of the input, inputs found"),
    summary("max_distance_mean", |s| s.max_distance_mean, "mean distance in the maximum norm, direction sign, inputs found"),
    summary("ratio_q05", |s| s.ratio_q05, "5 % quantile of the distance over that along the first direction, input by input"),
    summary("ratio_q50", |s| s.ratio_q50, "median of the distance over that along the first direction, input by input"),
    summary("ratio_q95", |s| s.ratio_q95, "95 % quantile of the distance over that along the first direction, input by input"),
    summary("ratio_se", |s| s.ratio_se, "standard error of the median of the ratio, networks as clusters"),
    summary("path_mean", |s| s.path_mean, "mean length of the path to the flip, inputs found"),
    summary("grad_mean", |s| s.grad_mean, "mean gradient norm, all inputs"),
    summary("grad_std", |s| s.grad_std, "std of the gradient norm, all inputs, pooled"),
    summary("grad_std_networks", |s| s.grad_std_networks, "std over networks of the mean gradient norm"),
    summary("value_mean", |s| s.value_mean, "mean of f(x), all inputs"),
    summary("value_std", |s| s.value_std, "std of f(x), all inputs, pooled"),
    summary("evaluations_mean", |s| s.evaluations, "mean evaluations of the network along the line, an input"),
    summary("certified_mean", |s| s.certified_mean, "mean certified lower bound on the distance, all inputs"),
    summary(
        "certified_ratio_q05",
        |s| s.certified_ratio_q05,
        "5 % quantile of the certified bound over the distance, inputs found",
    ),
    summary("certified_ratio_q50", |s| s.certified_ratio_q50, "median of the certified bound over the distance, inputs found"),
    SummaryVariable { variable: CELL_SECONDS, of: |s| s.seconds },
];

/// The arrays in the file of an experiment with these axes.
pub fn variables_of(experiment: &Experiment, axes: &Axes) -> Vec<Variable> {
    let mut variables = variables();
    let others = if axes.has_shapes() { &[CELL_DEPTH, CELL_WIDTH][..] } else { &[SHAPE_DEPTH, SHAPE_HIDDEN, CELL_SHAPE] };
    variables.retain(|variable| others.iter().all(|other| other.path != variable.path));
    variables.retain(|variable| is_written(experiment, variable));
    variables
}

/// Whether the file of `experiment` has `variable`, apart from its axes: certified distances only where they were asked for.
pub fn is_written(experiment: &Experiment, variable: &Variable) -> bool {
    experiment.certify || !variable.path.starts_with("certified_")
}

/// All arrays except coordinates, in creation order: provenance last, so that it does not affect the file offsets of the others.
pub fn variables() -> Vec<Variable> {
    let (timings, summaries): (Vec<Variable>, Vec<Variable>) =
        SUMMARIES.iter().map(|summary| summary.variable).partition(|variable| variable.path.starts_with(PROVENANCE));
    let cells = [SHAPE_DEPTH, SHAPE_HIDDEN, CELL_SHAPE, CELL_DEPTH, CELL_DIM, CELL_WIDTH, ENGINE, SEARCH];
    let samples = [STEP, ZERO_STEP, DISTANCE, GRADIENT_NORM, VALUE, INPUT_NORM, CERTIFIED, STATUS, EVALUATIONS];
    [&summaries[..], &[DEAD, CELL_INDEX], &cells, &samples, &timings, &[UNIT_SECONDS]].concat()
}

/// The codes of an enumerated array and their names.
pub fn flags(variable: &Variable) -> Option<Vec<(u8, &'static str)>> {
    use crate::model::{EngineName, SearchName};
    use crate::record::Status;
    match variable.path {
        "engine" => Some(EngineName::ALL.map(|engine| (engine as u8, engine.name())).to_vec()),
        "search" => Some(SearchName::ALL.map(|search| (search as u8, search.name())).to_vec()),
        "status" => {
            let codes = Status::ALL.map(|status| (status as u8, status.name()));
            Some(codes.into_iter().chain([(NOT_RUN, "not-run")]).collect())
        }
        _ => None,
    }
}
