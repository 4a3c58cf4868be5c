//! The unvalidated experiment (preset or TOML file, overlaid with flags) and its only conversion to a validated one.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::layers;
use super::presets::Preset;
use super::{Experiment, NEAREST_STARTS, inputs_file};
use crate::error::BadInput;
use crate::linalg::matmul::CHUNK;
use crate::model::{Activation, Cell, Direction, EngineChoice, INFINITE_WIDTH, InputsLaw, Precision, Readout, SearchChoice};
use crate::record::Sample;
use crate::stats::distinct;
use crate::text::short;

/// Most samples (cells × networks × directions × inputs) of an experiment: rank 0 holds all records until they are written.
const MAX_SAMPLES: f64 = 1e9;
/// Largest bound: longer steps overflow f32 in steep networks.
const MAX_BOUND: f64 = 1e9;

/// The options as given, unchecked. Counts are `f64` so that `1e3` can be written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Options {
    pub depths: Option<Vec<f64>>,
    pub dims: Option<Vec<f64>>,
    pub widths: Option<Vec<f64>>,
    pub networks: Option<f64>,
    pub inputs: Option<f64>,
    pub gain: Option<f64>,
    pub readout: Option<Readout>,
    pub activation: Option<Activation>,
    pub bias: Option<bool>,
    /// Parsed by [`InputsLaw::parse`].
    pub inputs_law: Option<String>,
    pub directions: Option<Vec<Direction>>,
    pub nearest_starts: Option<f64>,
    pub certify: Option<bool>,
    pub bound: Option<f64>,
    pub bound_distance: Option<f64>,
    /// Signed, like TOML integers.
    pub seed: Option<i64>,
    pub precision: Option<Precision>,
    pub engine: Option<EngineChoice>,
    pub search: Option<SearchChoice>,
    /// Additional widths per depth; keys are depths as written.
    pub extra_widths: Option<BTreeMap<String, Vec<f64>>>,
    /// Cells (depth, dim, width) added to the grid.
    pub extra_cells: Option<Vec<[f64; 3]>>,
    /// In place of depths and widths: the hidden widths of each network.
    pub hidden: Option<Vec<Vec<f64>>>,
}

impl Options {
    /// Overlays these options on `base`. Widths given here also replace the extra widths of `base`, and depths select from them. Depths, dims or
    /// widths drop the extra cells of `base`; an inputs file also drops its dims. `hidden` replaces depths and widths of `base`, and vice
    /// versa.
    pub fn overlay(self, base: Options) -> Options {
        let base = match (&self.hidden, self.depths.is_some() || self.widths.is_some()) {
            (Some(_), _) => Options { depths: None, widths: None, extra_widths: None, extra_cells: None, ..base },
            (None, true) => Options { hidden: None, ..base },
            (None, false) => base,
        };
        let extra_widths = match (self.extra_widths, &self.widths) {
            (Some(extra), _) => Some(extra),
            (None, Some(_)) => None,
            (None, None) => base.extra_widths.map(|extra| select(extra, self.depths.as_deref())),
        };
        let is_from_file = self.inputs_law.as_ref().is_some_and(|law| law.starts_with("file:"));
        let is_grid_given = self.depths.is_some() || self.dims.is_some() || self.widths.is_some() || is_from_file;
        let extra_cells = self.extra_cells.or(if is_grid_given { None } else { base.extra_cells });
        Options {
            depths: self.depths.or(base.depths),
            dims: self.dims.or(if is_from_file { None } else { base.dims }),
            widths: self.widths.or(base.widths),
            networks: self.networks.or(base.networks),
            inputs: self.inputs.or(base.inputs),
            gain: self.gain.or(base.gain),
            readout: self.readout.or(base.readout),
            activation: self.activation.or(base.activation),
            bias: self.bias.or(base.bias),
            inputs_law: self.inputs_law.or(base.inputs_law),
            directions: self.directions.or(base.directions),
            nearest_starts: self.nearest_starts.or(base.nearest_starts),
            certify: self.certify.or(base.certify),
            bound: self.bound.or(base.bound),
            bound_distance: self.bound_distance.or(base.bound_distance),
            seed: self.seed.or(base.seed),
            precision: self.precision.or(base.precision),
            engine: self.engine.or(base.engine),
            search: self.search.or(base.search),
            extra_widths,
            extra_cells,
            hidden: self.hidden.or(base.hidden),
        }
    }

    /// Validates the options; lists become sorted and distinct. Depths and widths (or `hidden`) and dims are required, other missing values come
    /// from preset `quick`.
    ///
    /// # Errors
    /// A value out of range, an empty or missing list, too many samples, or a gain and depth at which network values overflow or underflow the
    /// precision.
    pub fn validate(self) -> Result<Experiment, BadInput> {
        let defaults =
            Options { depths: None, dims: None, widths: None, extra_widths: None, extra_cells: None, ..Preset::Quick.options() };
        let options = self.overlay(defaults);

        let bias = given("bias", options.bias)?;
        let mut inputs_law = InputsLaw::parse(&given("inputs_law", options.inputs_law)?)?;
        let (depths, widths, hidden) = match options.hidden {
            None => (DEPTH.list("depths", options.depths)?, WIDTH.widths("widths", options.widths)?, Vec::new()),
            Some(hidden) => {
                let others = [
                    ("depths", options.depths.is_some()),
                    ("widths", options.widths.is_some()),
                    ("extra_widths", options.extra_widths.is_some()),
                    ("extra_cells", options.extra_cells.is_some()),
                ];
                layers::layers(hidden, others)?
            }
        };
        let inputs = INPUTS.whole(given("inputs", options.inputs)?)?;
        let dims = dims(options.dims, &mut inputs_law, inputs, bias)?;
        let mut experiment = Experiment {
            extra_widths: extra_widths(options.extra_widths.unwrap_or_default(), &depths, &widths)?,
            extra_cells: Vec::new(),
            depths,
            dims,
            widths,
            hidden,
            networks: NETWORKS.whole(given("networks", options.networks)?)?,
            inputs,
            gain: positive("gain", given("gain", options.gain)?, f64::MAX)?,
            readout: given("readout", options.readout)?,
            activation: given("activation", options.activation)?,
            bias,
            inputs_law,
            directions: directions(given("directions", options.directions)?)?,
            nearest_starts: STARTS.whole(options.nearest_starts.unwrap_or(NEAREST_STARTS as f64))?,
            certify: options.certify.unwrap_or(false),
            bound: positive("bound", given("bound", options.bound)?, MAX_BOUND)?,
            bound_distance: options.bound_distance.map(|bound| positive("bound_distance", bound, f64::MAX)).transpose()?,
            seed: seed(given("seed", options.seed)?)?,
            precision: given("precision", options.precision)?,
            engine: given("engine", options.engine)?,
            search: given("search", options.search)?,
        };
        experiment.extra_cells = extra_cells(options.extra_cells.unwrap_or_default(), &experiment)?;
        check_search(&experiment)?;
        check_form(&experiment)?;
        check_magnitudes(&experiment)?;
        check_narrow(&experiment)?;
        check_weights(&experiment)?;
        check_samples(&experiment)?;
        Ok(experiment)
    }
}

/// A count: its name, what it counts, and its maximum.
pub(crate) struct Count {
    name: &'static str,
    counts: &'static str,
    /// Why it must not be 0.
    least: &'static str,
    max: usize,
}

const DEPTH: Count =
    Count { name: "depth", counts: "hidden layers", least: "a network needs at least one hidden layer", max: 1000 };
pub(crate) const DIM: Count =
    Count { name: "dim", counts: "coordinates of an input", least: "an input needs at least one coordinate", max: 1_000_000_000 };
pub(crate) const WIDTH: Count =
    Count { name: "width", counts: "neurons of a layer", least: "a layer needs at least one neuron", max: 100_000_000_000 };
pub(crate) const NETWORKS: Count = Count {
    name: "number of networks",
    counts: "networks of a cell",
    least: "there would be nothing to measure",
    max: 1_000_000_000,
};
const STARTS: Count = Count {
    name: "number of starts",
    counts: "starting points of direction nearest",
    least: "a search has to start somewhere",
    max: 1000,
};
const INPUTS: Count = Count {
    name: "number of inputs",
    counts: "inputs of a network",
    least: "there would be nothing to measure",
    max: 1_000_000_000,
};

impl Count {
    /// `value` as an integer from 1 to the maximum.
    pub fn whole(&self, value: f64) -> Result<usize, BadInput> {
        let Count { name, counts, least, max } = self;
        let refuse = |flaw: &str, why: &str| {
            Err(BadInput::new(
                format!("the {name} {} {flaw}", short(value)),
                why,
                format!("give a whole number from 1 to {}", short(*max as f64)),
            ))
        };
        if !value.is_finite() {
            return refuse("is not finite", &format!("{counts} are counted"));
        }
        if value.fract() != 0.0 {
            return refuse("is not a whole number", &format!("{counts} are counted"));
        }
        if value < 1.0 {
            return refuse("is too small", least);
        }
        if value > *max as f64 {
            return refuse("is too large", &format!("no machine holds so many {counts}"));
        }
        Ok(value as usize)
    }

    /// `values` as counts, ascending and distinct; `key` names the list in errors.
    fn list(&self, key: &str, values: Option<Vec<f64>>) -> Result<Vec<usize>, BadInput> {
        self.list_by(key, values, |value| self.whole(value))
    }

    /// As [`list`](Self::list), for possibly infinite widths.
    fn widths(&self, key: &str, values: Option<Vec<f64>>) -> Result<Vec<usize>, BadInput> {
        self.list_by(key, values, |value| self.finite_or_not(value))
    }

    /// `value` as a possibly infinite width.
    fn finite_or_not(&self, value: f64) -> Result<usize, BadInput> {
        if value == f64::INFINITY { Ok(INFINITE_WIDTH) } else { self.whole(value) }
    }

    fn list_by(
        &self,
        key: &str,
        values: Option<Vec<f64>>,
        count: impl Fn(f64) -> Result<usize, BadInput>,
    ) -> Result<Vec<usize>, BadInput> {
        let values = given(key, values)?;
        if values.is_empty() {
            let what = format!("the list of {key} is empty");
            return Err(BadInput::new(what, "there would be nothing to run", format!("give at least one {}", self.name)));
        }
        Ok(distinct(values.into_iter().map(count).collect::<Result<Vec<_>, _>>()?))
    }
}

fn given<T>(key: &str, value: Option<T>) -> Result<T, BadInput> {
    value.ok_or_else(|| {
        let why = "an experiment has no default for it";
        BadInput::new(format!("no {key} are given"), why, format!("give `{key}` in the file or --{key}"))
    })
}

/// The extra widths at `depths`.
fn select(extra: BTreeMap<String, Vec<f64>>, depths: Option<&[f64]>) -> BTreeMap<String, Vec<f64>> {
    let Some(depths) = depths else { return extra };
    extra.into_iter().filter(|(key, _)| key.parse().is_ok_and(|depth: f64| depths.contains(&depth))).collect()
}

/// The widths added at each depth that are not in `widths`.
fn extra_widths(
    extra: BTreeMap<String, Vec<f64>>,
    depths: &[usize],
    widths: &[usize],
) -> Result<BTreeMap<usize, Vec<usize>>, BadInput> {
    let mut by_depth = BTreeMap::new();
    for (key, values) in extra {
        let refuse = |why: &str, remedy: &str| BadInput::new(format!("extra_widths holds the depth `{key}`"), why, remedy);
        let depth = key.parse().ok().filter(|depth| depths.contains(depth)).ok_or_else(|| {
            refuse("it is not one of the experiment's depths", "add it to `depths` or take it out of `extra_widths`")
        })?;
        if depth.to_string() != key {
            // `2` and `02` would be two entries for one depth.
            return Err(refuse("depths are written without sign and leading zeros", &format!("write it as {depth}")));
        }
        let mut added = WIDTH.widths(&format!("extra_widths at depth {key}"), Some(values))?;
        added.retain(|width| !widths.contains(width));
        if !added.is_empty() {
            by_depth.insert(depth, added);
        }
    }
    Ok(by_depth)
}

/// The extra cells that are not in the grid of `experiment`.
fn extra_cells(extra: Vec<[f64; 3]>, experiment: &Experiment) -> Result<Vec<Cell>, BadInput> {
    let cell = |[depth, dim, width]: [f64; 3]| {
        let width = WIDTH.finite_or_not(width)?;
        Ok(Cell::new(DEPTH.whole(depth)?, DIM.whole(dim)?, width))
    };
    let mut cells = distinct(extra.into_iter().map(cell).collect::<Result<Vec<_>, BadInput>>()?);
    cells.retain(|cell| !experiment.is_in_grid(cell));
    Ok(cells)
}

fn positive(name: &str, value: f64, max: f64) -> Result<f64, BadInput> {
    let refuse = |flaw: &str, why: &str| {
        let remedy = format!("give a number above 0 and up to {}", short(max));
        Err(BadInput::new(format!("the {name} {} {flaw}", short(value)), why, remedy))
    };
    if !value.is_finite() {
        return refuse("is not finite", "nothing can be computed with it");
    }
    if value <= 0.0 {
        return refuse("is not positive", if name == "gain" { "it is a variance" } else { "a step is positive" });
    }
    if value > max {
        return refuse("is too large", "points so far out leave the range of f32");
    }
    Ok(value)
}

/// The dims given, or the one of the inputs file, which is read here unless its checksum is known.
fn dims(given: Option<Vec<f64>>, law: &mut InputsLaw, inputs: usize, bias: bool) -> Result<Vec<usize>, BadInput> {
    if !law.is_known() || (given.is_none() && law.is_file()) {
        inputs_file::load(law, inputs)?;
    }
    let Some(columns) = law.columns() else { return DIM.list("dims", given) };
    let dim = columns + usize::from(bias);
    let dims = DIM.list("dims", Some(given.unwrap_or(vec![dim as f64])))?;
    if dims != [dim] {
        let and_bias = if bias { ", and the bias unit is one more" } else { "" };
        return Err(BadInput::new(
            "the dims are not that of the file of inputs",
            format!("its rows have {columns} numbers{and_bias}"),
            format!("give --dims {dim}, or leave it out"),
        ));
    }
    Ok(dims)
}

/// `directions`, ascending and distinct.
fn directions(directions: Vec<Direction>) -> Result<Vec<Direction>, BadInput> {
    if directions.is_empty() {
        let what = "the list of directions is empty";
        return Err(BadInput::new(what, "a step has to go somewhere", "give at least one direction, such as gradient"));
    }
    Ok(distinct(directions))
}

fn seed(seed: i64) -> Result<u64, BadInput> {
    u64::try_from(seed).map_err(|_| {
        let remedy = format!("give a whole number from 0 to {}", i64::MAX);
        BadInput::new(format!("the seed {seed} is negative"), "seeds start at 0", remedy)
    })
}

/// Refuses tracing without explicit weights.
fn check_search(experiment: &Experiment) -> Result<(), BadInput> {
    let is_deep = experiment.all_depths().iter().any(|&depth| depth > 1);
    if is_deep && experiment.engine == EngineChoice::Implicit && experiment.search == SearchChoice::Exact {
        return Err(BadInput::new(
            "engine implicit and search exact cannot go together at depth 2 and more",
            "an exact search follows the weights of every layer, and the implicit engine draws none",
            "give engine dense, or search auto or scan",
        ));
    }
    Ok(())
}

/// Refuses combinations that no engine or search supports.
fn check_form(experiment: &Experiment) -> Result<(), BadInput> {
    let Experiment { activation, bias, directions, extra_cells, .. } = experiment;
    let is_infinite = |widths: &Vec<usize>| widths.contains(&INFINITE_WIDTH);
    let has_infinite = is_infinite(&experiment.widths) || experiment.extra_widths.values().any(is_infinite);
    if has_infinite || extra_cells.iter().any(Cell::is_infinite) {
        let refuse = |form: String| {
            let why = "the limit is drawn for relu without bias unit, inputs on the sphere, and steps along the gradient only";
            Err(BadInput::new(format!("the width inf cannot go together with {form}"), why, "take inf out of the widths"))
        };
        if *activation != Activation::Relu {
            return refuse(format!("activation {}", activation.name()));
        }
        if *bias {
            return refuse("a bias unit".into());
        }
        if experiment.inputs_law != InputsLaw::Sphere {
            return refuse(format!("inputs from {}", experiment.inputs_law));
        }
        if directions != &[Direction::Gradient] {
            return refuse("directions other than gradient".into());
        }
    }
    let is_deep = experiment.all_depths().into_iter().any(|depth| depth > 1);
    if is_deep && experiment.search == SearchChoice::Exact && !activation.is_piecewise_linear() {
        return Err(BadInput::new(
            format!("activation {} and search exact cannot go together at depth 2 and more", activation.name()),
            "an exact search there follows linear pieces, and a smooth network has none",
            "give search auto or scan",
        ));
    }
    let needs_weights = [Direction::Descent, Direction::Nearest].into_iter().find(|direction| directions.contains(direction));
    if let (Some(direction), EngineChoice::Implicit) = (needs_weights, experiment.engine) {
        return Err(BadInput::new(
            format!("direction {} and engine implicit cannot go together", direction.name()),
            "it needs many gradients, and the implicit engine must store every one",
            "give engine auto or dense",
        ));
    }
    if experiment.nearest_starts != NEAREST_STARTS && !directions.contains(&Direction::Nearest) {
        return Err(BadInput::new(
            "nearest_starts has no effect without direction nearest",
            "no other direction has several starting points",
            "add nearest to the directions, or leave it out",
        ));
    }
    check_certificate(experiment)?;
    if *bias && (experiment.dims.contains(&1) || extra_cells.iter().any(|cell| cell.dim == 1)) {
        return Err(BadInput::new(
            "there is no bias unit at dim 1",
            "the bias unit is one of the coordinates, and at least one other has to change",
            "give dims of 2 and more",
        ));
    }
    let is_foreign = |cell: &&Cell| !experiment.dims.contains(&cell.dim);
    if let (InputsLaw::File(file), Some(cell)) = (&experiment.inputs_law, extra_cells.iter().find(is_foreign)) {
        return Err(BadInput::new(
            format!("the extra cell {cell} has not the dim of {}", file.name()),
            "the rows of a file have one length",
            format!("give it the dim {}", experiment.dims[0]),
        ));
    }
    Ok(())
}

/// Refuses certificates of networks for which there are none.
fn check_certificate(experiment: &Experiment) -> Result<(), BadInput> {
    if !experiment.certify {
        return Ok(());
    }
    let refuse = |what: String, why: &str, help: &str| Err(BadInput::new(what, why, help));
    if !experiment.directions.contains(&Direction::Nearest) {
        let why = "a certified distance is the lower end of the interval whose upper end that direction finds";
        return refuse("certify has no effect without direction nearest".into(), why, "add nearest to the directions");
    }
    if !experiment.activation.is_piecewise_linear() {
        let what = format!("certify and activation {} cannot go together", experiment.activation.name());
        return refuse(what, "the certificate bounds the kinks of piecewise linear networks", "give activation relu or leaky-relu");
    }
    if let Some(depth) = experiment.all_depths().into_iter().find(|&depth| depth > 1) {
        let what = format!("certify and depth {depth} cannot go together");
        return refuse(what, "the certificate is for one hidden layer", "give depth 1");
    }
    Ok(())
}

/// Whether the experiment's precision holds its numbers.
pub fn is_in_range(experiment: &Experiment) -> bool {
    check_magnitudes(experiment).is_ok() && check_narrow(experiment).is_ok() && check_weights(experiment).is_ok()
}

/// Refuses depths at which f(x) ~ N(0, c) and ‖∇f‖² → c = gain^(L−1)/2^L cannot be represented and squared in the experiment's precision, and
/// bounds at which layers overflow before the end of a line.
fn check_magnitudes(experiment: &Experiment) -> Result<(), BadInput> {
    let (limit, name, others) = match experiment.precision {
        Precision::F32 => (100.0, "f32", "f64"),
        Precision::F64 => (900.0, "f64", "f64"),
        // Parts of a number below 2⁻⁶² count as 0 (`kernels::bf16`): numbers of 2⁻³⁰, √variance over √d, must be far above.
        Precision::Bf16x3 => (40.0, "bf16x3", "f32 or f64"),
    };
    // A layer scales the variance by gain·E ψ(N)² or, for small arguments, by gain·ψ'(0)².
    let psi = experiment.activation;
    let slope = psi.derivative(0.0);
    let decay = match psi.is_piecewise_linear() {
        true => psi.value_second_moment(),
        false => psi.value_second_moment().min(slope * slope),
    };
    for depth in experiment.all_depths() {
        let log2_variance = (depth - 1) as f64 * libm::log2(experiment.gain) + depth as f64 * libm::log2(decay);
        if log2_variance.abs() > limit {
            return Err(BadInput::new(
                format!("the depth {depth} is too large at gain {} in {name}", short(experiment.gain)),
                format!("f(x) has a variance of about 2^{log2_variance:.0}, which {name} cannot hold safely"),
                format!("give fewer layers, a gain nearer to 2, or precision {others}"),
            ));
        }
        let farthest = log2_farthest(experiment, depth);
        let largest = log2_largest(experiment.precision, depth, experiment.engine);
        if farthest > largest {
            let dense = log2_largest(experiment.precision, depth, EngineChoice::Dense);
            let others = match (farthest <= dense, experiment.precision) {
                (true, Precision::F64) => ", fewer layers, or engine dense",
                (true, _) => ", fewer layers, engine dense, or precision f64",
                (false, Precision::F64) => ", or fewer layers",
                (false, _) => ", fewer layers, or precision f64",
            };
            return Err(BadInput::new(
                format!(
                    "the bound {} is too large at depth {depth} and gain {} in {name}",
                    short(experiment.bound),
                    short(experiment.gain)
                ),
                format!("at the end of a line the neurons reach about 2^{farthest:.0}, and {name} is safe up to 2^{largest:.0}"),
                format!("give a smaller bound or gain{others}"),
            ));
        }
    }
    Ok(())
}

/// log₂ of the largest RMS over neurons of any layer at x + t p, t up to the bound.
///
/// With m the limit of E ψ(σN)²/σ² at large σ (½ for ReLU and ReLU-like ψ), a layer scales the mean square of its input by gain·m and that of
/// its derivative by gain·E ψ'². The first layer scales lengths by about 1, and ‖p‖ = ‖∇f(x)‖, so
///
/// ```text
/// ‖∇f‖² ≈ gain^(L−1) (E ψ'²)^L,    RMS z_l(x + t p) ≤ (1 + t ‖p‖) (gain m)^((l−1)/2),
/// ```
///
/// largest at l = 1 or l = L. Bounded ψ limit the upper layers to √gain. The universal direction is scaled from the gradient of the linearised
/// network, whose mean square is gain^(L−1).
fn log2_farthest(experiment: &Experiment, depth: usize) -> f64 {
    let psi = experiment.activation;
    let is_bounded = matches!(psi, Activation::Tanh | Activation::Erf | Activation::Sine);
    let (above_first, log2_gain) = ((depth - 1) as f64, libm::log2(experiment.gain));
    let slope = psi.derivative_second_moment().max(0.5);
    let log2_gradient = (above_first * log2_gain + depth as f64 * libm::log2(slope)) / 2.0;
    let log2_growth = match (depth, is_bounded) {
        (1, _) => 0.0,
        (_, true) => log2_gain.max(0.0) / 2.0,
        (_, false) => (above_first * (log2_gain - 1.0)).max(0.0) / 2.0,
    };
    let log2_start = (libm::log2(experiment.bound) + log2_gradient).max(0.0);
    let log2_end = if is_bounded { log2_start.max(log2_growth) } else { log2_start + log2_growth };
    match experiment.directions.contains(&Direction::Universal) {
        true => log2_end.max(above_first * log2_gain / 2.0),
        false => log2_end,
    }
}

/// log₂ of the largest value over the RMS: 3 for the maximum over 10⁹ neurons, 3 for a first-layer row at small d, 2 for networks with an
/// unusually long gradient.
const LOG2_MARGIN: f64 = 8.0;

/// log₂ of the largest RMS that an engine can represent at this depth. Above the first layer the implicit engine also sums squares, [`CHUNK`] at
/// a time, in the network's precision.
fn log2_largest(precision: Precision, depth: usize, engine: EngineChoice) -> f64 {
    let range = match precision {
        Precision::F32 | Precision::Bf16x3 => f64::from(f32::MAX_EXP),
        Precision::F64 => f64::from(f64::MAX_EXP),
    };
    let sums_squares = depth > 1 && engine != EngineChoice::Dense;
    (if sums_squares { (range - libm::log2(CHUNK as f64)) / 2.0 } else { range }) - LOG2_MARGIN
}

/// Most layers per neuron of the narrowest one in bf16x3.
const MOST_LAYERS_PER_NEURON: usize = 4;

/// Refuses deep narrow networks in bf16x3, where numbers below 2⁻⁶² count as 0: whatever the variance, log |h|² falls by about 5/(2k) a layer, and by
/// far more where all neurons of a layer are inactive.
fn check_narrow(experiment: &Experiment) -> Result<(), BadInput> {
    if experiment.precision != Precision::Bf16x3 {
        return Ok(());
    }
    for cell in experiment.cells() {
        let narrowest = (1..=cell.depth).map(|layer| cell.width_of(layer)).min().unwrap_or(1);
        let most = narrowest.saturating_mul(MOST_LAYERS_PER_NEURON);
        if cell.depth > most {
            return Err(BadInput::new(
                format!("the depth {} is too large for layers of {narrowest} neurons in bf16x3", cell.depth),
                "numbers shrink from layer to layer in narrow networks, and those below 2^-62 count as 0",
                format!("give at most {most} layers, wider ones, or precision f32 or f64"),
            ));
        }
    }
    Ok(())
}

/// Refuses a gain at which weights above the first layer, N(0, gain/k), overflow (at 7 standard deviations) or become subnormal in f32, in which
/// they are drawn for every precision. In bf16x3 parts of a weight below 2⁻⁵⁰ count as 0 (`kernels::bf16`), so weights must be far above.
fn check_weights(experiment: &Experiment) -> Result<(), BadInput> {
    let (least, others) =
        if experiment.precision == Precision::Bf16x3 { (-24.0, ", or precision f32 or f64") } else { (-100.0, "") };
    let log2_sigmas = least..=120.0;
    let [_, _, widths] = experiment.axes();
    let is_deep = experiment.all_depths().into_iter().any(|depth| depth > 1);
    let finite = widths.into_iter().filter(|&width| is_deep && width != INFINITE_WIDTH);
    let log2_sigma = |width: usize| (libm::log2(experiment.gain) - libm::log2(width as f64)) / 2.0;
    match finite.map(log2_sigma).find(|sigma| !log2_sigmas.contains(sigma)) {
        None => Ok(()),
        Some(sigma) => Err(BadInput::new(
            format!("weights cannot be drawn at gain {}", short(experiment.gain)),
            format!("they are drawn in {}, and would be of the size of 2^{sigma:.0}", experiment.precision.name()),
            format!("give a gain nearer to 2{others}"),
        )),
    }
}

fn check_samples(experiment: &Experiment) -> Result<(), BadInput> {
    let cells = experiment.cell_count() as f64;
    let samples = cells * experiment.networks as f64 * experiment.samples_of_network() as f64;
    if samples > MAX_SAMPLES {
        let bytes = bytesize::ByteSize((samples * size_of::<Sample>() as f64) as u64);
        return Err(BadInput::new(
            format!(
                "the experiment has {} samples ({} cells × {} networks × {} inputs{})",
                short(samples),
                cells,
                experiment.networks,
                experiment.inputs,
                if experiment.directions.len() > 1 {
                    format!(" × {} directions", experiment.directions.len())
                } else {
                    String::new()
                }
            ),
            format!("their records take {bytes}, and one rank has to hold them"),
            format!("give fewer networks or inputs, for at most {} samples", short(MAX_SAMPLES)),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> Options {
        Options { depths: Some(vec![1.0]), dims: Some(vec![2.0]), widths: Some(vec![3.0]), ..Options::default() }
    }

    #[test]
    fn lists_are_sorted_and_distinct() {
        let options = Options { widths: Some(vec![1e3, 10.0, 30.0, 10.0]), ..small() };
        assert_eq!(options.validate().unwrap().widths, [10, 30, 1000]);
    }

    #[test]
    fn infinite_widths_come_last_and_survive_their_toml() {
        let options = Options::from_toml("depths=[1]\ndims=[2]\nwidths=[inf, 10, inf]\nextra_widths={1=[inf, 5]}", "test").unwrap();
        let experiment = options.validate().unwrap();
        assert_eq!(experiment.widths, [10, INFINITE_WIDTH]);
        assert_eq!(experiment.extra_widths[&1], [5]);
        assert!(experiment.to_toml().contains("widths = [10, inf]"), "{}", experiment.to_toml());
        assert_eq!(Experiment::from_toml(&experiment.to_toml(), "test").unwrap(), experiment);
        let extra = Options { extra_widths: Some(BTreeMap::from([("1".to_string(), vec![f64::INFINITY])])), ..small() };
        let experiment = extra.validate().unwrap();
        assert_eq!(experiment.extra_widths[&1], [INFINITE_WIDTH]);
        assert_eq!(Experiment::from_toml(&experiment.to_toml(), "test").unwrap(), experiment);
        for infinite in [f64::NEG_INFINITY, f64::NAN] {
            assert!(Options { widths: Some(vec![infinite]), ..small() }.validate().is_err());
        }
        assert!(Options { dims: Some(vec![f64::INFINITY]), ..small() }.validate().is_err());
    }

    #[test]
    fn what_is_missing_is_as_in_quick_but_for_the_grid() {
        let experiment = small().validate().unwrap();
        let quick = Preset::Quick.options().validate().unwrap();
        assert_eq!(
            Experiment { depths: vec![1], dims: vec![2], widths: vec![3], extra_widths: BTreeMap::new(), ..quick },
            experiment
        );
        for missing in [Options { depths: None, ..small() }, Options { dims: None, ..small() }, Options { widths: None, ..small() }]
        {
            assert!(missing.validate().unwrap_err().to_string().starts_with("no "));
        }
    }

    #[test]
    fn flags_win_over_the_file() {
        let flags = Options { networks: Some(7.0), readout: Some(Readout::Gaussian), ..Options::default() };
        let experiment = flags.overlay(Preset::Quick.options()).validate().unwrap();
        let quick = Preset::Quick.options().validate().unwrap();
        assert_eq!(Experiment { networks: 7, readout: Readout::Gaussian, ..quick }, experiment);
    }

    #[test]
    fn widths_given_as_a_flag_replace_extra_widths() {
        let flags = Options { widths: Some(vec![5.0]), ..Options::default() };
        let experiment = flags.overlay(Preset::Quick.options()).validate().unwrap();
        assert_eq!((experiment.widths.as_slice(), experiment.extra_widths.len()), ([5].as_slice(), 0));
    }

    #[test]
    fn depths_given_as_a_flag_select_extra_widths() {
        let at = |depths: &[f64]| Options { depths: Some(depths.to_vec()), ..Options::default() }.overlay(Preset::Quick.options());
        assert_eq!(at(&[1.0, 3.0]).validate().unwrap().extra_widths, BTreeMap::from([(1, vec![10_000])]));
        assert!(at(&[2.0, 3.0]).validate().unwrap().extra_widths.is_empty());
    }

    #[test]
    fn extra_widths_need_a_depth_of_the_experiment() {
        for key in ["2", "0", "-1", "1.5", "one", ""] {
            let options = Options { extra_widths: Some(BTreeMap::from([(key.to_string(), vec![9.0])])), ..small() };
            let error = options.validate().unwrap_err();
            assert_eq!(error.what, format!("extra_widths holds the depth `{key}`"));
        }
        let empty = Options { extra_widths: Some(BTreeMap::from([("1".to_string(), vec![])])), ..small() };
        assert_eq!(empty.validate().unwrap_err().what, "the list of extra_widths at depth 1 is empty");
    }

    #[test]
    fn extra_cells_are_added_to_the_grid() {
        let toml = "depths=[1]\ndims=[2]\nwidths=[3]\nextra_cells=[[2, 5, inf], [1, 2, 3], [1, 7, 1e9], [1, 1, 1]]";
        let experiment = Experiment::from_toml(toml, "test").unwrap();
        let cell = Cell::new;
        let cells = vec![cell(1, 1, 1), cell(1, 2, 3), cell(1, 7, 1_000_000_000), cell(2, 5, INFINITE_WIDTH)];
        assert_eq!((experiment.cells(), experiment.cell_count()), (cells, 4));
        assert_eq!(Experiment::from_toml(&experiment.to_toml(), "test").unwrap(), experiment);
        let flags = |flags: Options| flags.overlay(Options::from_toml(toml, "test").unwrap()).validate().unwrap().extra_cells.len();
        assert_eq!(flags(Options { networks: Some(2.0), ..Options::default() }), 3);
        assert_eq!(flags(Options { dims: Some(vec![4.0]), ..Options::default() }), 0);
        for bad in [[0.0, 1.0, 1.0], [1.0, f64::INFINITY, 1.0], [1.0, 1.0, 1.5]] {
            assert!(Options { extra_cells: Some(vec![bad]), ..small() }.validate().is_err());
        }
        let deep = Options { extra_cells: Some(vec![[1000.0, 1.0, 1.0]]), ..small() };
        assert!(deep.validate().unwrap_err().what.contains("depth 1000 is too large"));
    }

    #[test]
    fn counts_are_whole_numbers_in_range() {
        assert_eq!((WIDTH.whole(1.0), WIDTH.whole(1e11)), (Ok(1), Ok(100_000_000_000)));
        for (value, what) in [
            (0.0, "the width 0 is too small"),
            (-5.0, "the width -5 is too small"),
            (1.5, "the width 1.5 is not a whole number"),
            (f64::NAN, "the width NaN is not finite"),
            (f64::INFINITY, "the width inf is not finite"),
            (1e11 + 1.0, "the width 100000000001 is too large"),
            (1e30, "the width 1e30 is too large"),
        ] {
            assert_eq!(WIDTH.whole(value).unwrap_err().what, what);
        }
    }

    #[test]
    fn values_must_stay_in_the_range_of_the_precision() {
        let deep = |depth, gain, precision| {
            Options { depths: Some(vec![depth]), gain: Some(gain), precision: Some(precision), ..small() }.validate()
        };
        assert!(deep(100.0, 1.0, Precision::F32).is_ok());
        assert!(deep(101.0, 1.0, Precision::F32).is_err());
        assert!(deep(101.0, 1.0, Precision::F64).is_ok());
        assert!(deep(1000.0, 2.0, Precision::F32).is_ok());
        assert!(deep(2.0, 1e300, Precision::F64).is_err());
        assert!(deep(2.0, 1e-300, Precision::F64).is_err());
        // In f64 too weights are drawn in f32: 2^150 would be infinite, 2^-150 zero, and every input dead.
        assert!(deep(2.0, 1e60, Precision::F64).is_ok() && deep(2.0, 1e-50, Precision::F64).is_ok());
        assert!(deep(2.0, 1e90, Precision::F64).unwrap_err().what.contains("weights cannot be drawn"));
        assert!(deep(2.0, 1e-90, Precision::F64).unwrap_err().what.contains("weights cannot be drawn"));
        assert!(deep(1.0, 1e-90, Precision::F64).is_ok(), "one layer has no gain");
    }

    /// Whether an experiment that the check of f(x) alone accepts is accepted with this bound.
    fn is_accepted(options: &Options, bound: f64) -> bool {
        Options { bound: Some(bound), ..options.clone() }.validate().is_ok()
    }

    #[test]
    fn ends_of_lines_must_stay_in_the_range_of_the_precision() {
        let steep = |engine, precision| Options {
            depths: Some(vec![4.0]),
            gain: Some(2.5e10),
            engine: Some(engine),
            precision: Some(precision),
            ..small()
        };
        // ‖∇f‖ ~ 2^50, and the last layer multiplies by 2^50 once more.
        let dense = steep(EngineChoice::Dense, Precision::F32);
        assert!(is_accepted(&dense, 1e5) && !is_accepted(&dense, 1e9));
        let refused = Options { bound: Some(1e9), ..dense }.validate().unwrap_err();
        assert_eq!(refused.why, "at the end of a line the neurons reach about 2^130, and f32 is safe up to 2^120");
        let auto = steep(EngineChoice::Auto, Precision::F32);
        assert!(is_accepted(&auto, 1e-30) && !is_accepted(&auto, 1e5), "squares of 2^67 in sums of 1024");
        assert!(Options { bound: Some(1e5), ..auto }.validate().unwrap_err().remedy.contains("engine dense"));
        assert!(is_accepted(&steep(EngineChoice::Auto, Precision::F64), 1e9));
        // Without activations the gradient is longer by √2 a layer.
        let universal =
            Options { depths: Some(vec![300.0]), gain: Some(2.0), directions: Some(vec![Direction::Universal]), ..small() };
        assert!(!is_accepted(&universal, 20.0));
        assert!(is_accepted(&Options { precision: Some(Precision::F64), ..universal.clone() }, 20.0));
        assert!(is_accepted(&Options { directions: Some(vec![Direction::Sign]), ..universal }, 20.0));
    }

    #[test]
    fn sensible_experiments_are_accepted_up_to_the_largest_bound() {
        for preset in Preset::ALL {
            assert!(is_accepted(&preset.options(), 1e9), "{}", preset.name());
        }
        for activation in Activation::ALL {
            for (depth, gain) in [(1.0, 1e3), (6.0, 1.0), (6.0, 2.0), (6.0, 10.0), (20.0, 2.0), (50.0, 2.0), (50.0, 1.0)] {
                let options = Options { depths: Some(vec![depth]), gain: Some(gain), activation: Some(activation), ..small() };
                assert!(is_accepted(&options, 20.0), "{} at depth {depth} and gain {gain}", activation.name());
                assert!(gain > 2.0 || is_accepted(&options, 1e9), "{} at depth {depth} and gain {gain}", activation.name());
            }
        }
        let deep = Options { depths: Some(vec![1000.0]), gain: Some(2.0), ..small() };
        assert!(is_accepted(&deep, 1e9));
    }

    #[test]
    fn implicit_weights_cannot_be_traced() {
        let options = |depth| Options {
            depths: Some(vec![depth]),
            engine: Some(EngineChoice::Implicit),
            search: Some(SearchChoice::Exact),
            ..small()
        };
        assert!(options(1.0).validate().is_ok());
        assert!(options(2.0).validate().unwrap_err().what.contains("implicit"));
        assert!(Options { search: Some(SearchChoice::Auto), ..options(2.0) }.validate().is_ok());
    }

    #[test]
    fn samples_are_limited() {
        let networks = |networks| Options { networks: Some(networks), inputs: Some(1e3), ..small() }.validate();
        assert!(networks(1e6).is_ok());
        assert!(networks(1e6 + 1.0).unwrap_err().what.contains("samples"));
    }
}
