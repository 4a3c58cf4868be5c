//! Everything that determines the numbers of a measurement, kept in its file and journal as TOML.

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::error::BadInput;
use crate::interchange::MOST_NUMBERS;
use crate::interchange::inputs::Inputs;
use crate::interchange::network::NetworkRead;
use crate::kernels::norm;
use crate::measure::given::Output;
use crate::model::{Activation, Bound, Direction, SearchName};
use crate::text::short;

/// Parts of the bound in a scan: trained networks change their sign in pairs that the spacing for random ones steps over.
const PARTS: f64 = 64.0;
/// Largest --bound, and --bound-distance in units of the largest norm of an input.
const LARGEST_BOUND: f64 = 1e9;
/// Without a bound: the largest distance, in units of the largest norm of an input.
const DEFAULT_BOUND: f64 = 2.0;
/// Largest number of starts of direction nearest.
const MOST_STARTS: f64 = 1e4;

/// The options, validated. Files are known by name, for people, and by checksum of what they hold, whatever their format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// File name.
    pub network: String,
    pub network_crc32: u32,
    pub activation: Activation,
    /// Slopes below 0 by hidden layer, where they are not those of `activation`; of a layer whose neurons differ, the mean.
    #[serde(default)]
    pub slopes: Vec<f64>,
    /// Whether slopes differ within a layer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub slopes_by_neuron: bool,
    pub dim: usize,
    /// Widths of the hidden layers, first to last.
    pub hidden: Vec<usize>,
    pub outputs: usize,
    pub parameters: usize,
    /// Names of the weights in the file, in the order of the layers.
    pub weights: Vec<String>,
    /// Nodes behind the outputs measured, which are left out.
    #[serde(default)]
    pub left_out: Vec<String>,
    pub inputs: String,
    pub inputs_crc32: u32,
    pub rows: usize,
    pub rescale: bool,
    /// As `--logits` takes it; `0` of a network with one output.
    pub output: String,
    pub directions: Vec<Direction>,
    pub search: String,
    pub bound: f64,
    pub bound_distance: f64,
    pub nearest_starts: usize,
    pub seed: u64,
}

/// What the user may choose; `None` is the default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    pub output: Option<Output>,
    /// At least one.
    pub directions: Vec<Direction>,
    pub bound: Option<f64>,
    pub bound_distance: Option<f64>,
    pub nearest_starts: Option<f64>,
    pub seed: Option<i64>,
}

/// The default number of starts of direction nearest, and the default seed: those of a run.
const STARTS: usize = 4;
const SEED: u64 = 2020;

impl Options {
    /// The options of `network` at `inputs`; `names` are those of their files.
    ///
    /// # Errors
    /// Network and inputs do not fit each other, or a value is out of range.
    pub fn new(
        network: &NetworkRead,
        inputs: &Inputs,
        names: [String; 2],
        rescale: bool,
        search: SearchName,
        choice: &Choice,
    ) -> Result<Self, BadInput> {
        let NetworkRead { network, names: weights, left_out } = network;
        let [network_name, inputs_name] = names;
        if inputs.x.ncols() != network.dim() {
            let what = format!("the inputs {inputs_name} do not fit the network {network_name}");
            let why = format!("they have {} coordinates, and its first layer takes {}", inputs.x.ncols(), network.dim());
            return Err(BadInput::new(what, why, "give the inputs that the network was made for"));
        }
        let output = output_of(choice.output, network.outputs())?;
        let squares = inputs.x.rows().into_iter().map(|row| norm::squared(&row.to_vec()));
        let largest = squares.fold(0.0, f64::max).sqrt();
        let positive = |value: Option<f64>, option: &str, largest_bound: f64| match value {
            Some(bound) if bound.is_nan() || bound <= 0.0 => {
                let what = format!("{option} {} is not positive", short(bound));
                Err(BadInput::new(what, "it bounds the steps searched", format!("give {option} a number above 0")))
            }
            Some(bound) if bound > largest_bound && bound.is_finite() => {
                let what = format!("{option} {} is too large", short(bound));
                Err(BadInput::new(
                    what,
                    "the search would leave the range of its numbers",
                    format!("give {option} {} or less", short(largest_bound)),
                ))
            }
            bound => Ok(bound),
        };
        let (bound, bound_distance) = (
            positive(choice.bound, "--bound", LARGEST_BOUND)?,
            positive(choice.bound_distance, "--bound-distance", LARGEST_BOUND * largest.max(1.0))?,
        );
        let default = if bound.is_some() { f64::INFINITY } else { DEFAULT_BOUND * if largest > 0.0 { largest } else { 1.0 } };
        let bounds = Bound { step: bound.unwrap_or(f64::INFINITY), distance: bound_distance.unwrap_or(default), parts: PARTS };
        if bounds.step.is_infinite() && bounds.distance.is_infinite() {
            return Err(BadInput::new(
                "the steps have no bound",
                "a search has to end",
                "give a finite --bound or --bound-distance",
            ));
        }
        let starts = choice.nearest_starts.unwrap_or(STARTS as f64);
        if !((1.0..=MOST_STARTS).contains(&starts) && starts.fract() == 0.0) {
            let what = format!("--nearest-starts {} is not a number of starts", short(starts));
            return Err(BadInput::new(what, "it is a whole number from 1 on", format!("give a number from 1 to {MOST_STARTS}")));
        }
        let seed = choice.seed.map_or(Ok(SEED), |seed| {
            let why = "streams are keyed by whole numbers from 0";
            u64::try_from(seed).map_err(|_| BadInput::new(format!("the seed {seed} is negative"), why, "give --seed 0 or more"))
        })?;
        Ok(Self {
            network: network_name,
            network_crc32: network.checksum(),
            activation: network.activation(),
            slopes: network.slopes().iter().map(|slopes| slopes.iter().sum::<f64>() / slopes.len() as f64).collect(),
            slopes_by_neuron: network.slopes().iter().any(|slopes| slopes.len() > 1),
            dim: network.dim(),
            hidden: network.widths().collect(),
            outputs: network.outputs(),
            parameters: network.parameters(),
            weights: weights.clone(),
            left_out: left_out.clone(),
            inputs: inputs_name,
            inputs_crc32: inputs.checksum(),
            rows: inputs.x.nrows(),
            rescale,
            output: text_of(output),
            directions: choice.directions.clone(),
            search: search.name().to_string(),
            bound: bounds.step,
            bound_distance: bounds.distance,
            nearest_starts: starts as usize,
            seed,
        })
    }

    pub fn to_table(&self) -> Table {
        Table::try_from(self).expect("plain values are TOML")
    }

    /// The inverse of [`to_table`](Self::to_table), from untrusted text.
    pub fn from_table(table: Table) -> Option<Self> {
        let options: Self = table.try_into().ok()?;
        let is_sound = options.output().is_some() && options.search().is_some() && !options.directions.is_empty();
        let is_sound = is_sound && (1..=MOST_NUMBERS).contains(&options.rows);
        is_sound.then_some(options)
    }

    pub fn output(&self) -> Option<Output> {
        parse_output(&self.output)
    }

    pub fn search(&self) -> Option<SearchName> {
        SearchName::ALL.into_iter().find(|search| search.name() == self.search)
    }

    pub fn bounds(&self) -> Bound {
        Bound { step: self.bound, distance: self.bound_distance, parts: PARTS }
    }

    pub fn is_margin(&self) -> bool {
        self.output() == Some(Output::Predicted)
    }
}

/// Parses `3`, `3,5` or `predicted`.
pub fn parse_output(text: &str) -> Option<Output> {
    if text == "predicted" {
        return Some(Output::Predicted);
    }
    match text.split_once(',') {
        Some((one, other)) => Some(Output::Difference(one.trim().parse().ok()?, other.trim().parse().ok()?)),
        None => Some(Output::One(text.trim().parse().ok()?)),
    }
}

fn text_of(output: Output) -> String {
    match output {
        Output::One(output) => output.to_string(),
        Output::Difference(one, other) => format!("{one},{other}"),
        Output::Predicted => "predicted".to_string(),
    }
}

/// The output chosen, of a network with `outputs` of them.
fn output_of(choice: Option<Output>, outputs: usize) -> Result<Output, BadInput> {
    let refuse = |what: String, why: String| {
        let last = outputs - 1;
        Err(BadInput::new(what, why, format!("give --logits predicted, or two outputs from 0 to {last}, such as 0,{last}")))
    };
    let unknown = |output: usize| format!("there is no output {output}");
    match choice {
        None if outputs == 1 => Ok(Output::One(0)),
        None => refuse("--logits is missing".to_string(), format!("the network has {outputs} outputs")),
        Some(Output::One(one) | Output::Difference(one, _)) if one >= outputs => {
            refuse(unknown(one), format!("the network has {outputs}"))
        }
        Some(Output::Difference(_, other)) if other >= outputs => refuse(unknown(other), format!("the network has {outputs}")),
        Some(Output::Difference(one, other)) if one == other => {
            refuse(format!("--logits {one},{other} names one output twice"), "their difference is 0".to_string())
        }
        Some(Output::Predicted) if outputs == 1 => Err(BadInput::new(
            "--logits predicted does not apply",
            "the network has one output, and so no classes",
            "omit --logits to measure the sign of the output",
        )),
        Some(output) => Ok(output),
    }
}
