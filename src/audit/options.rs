//! Validated options of an audit.

use toml::{Table, Value};

use super::{Layers, Setting, Statement, statements};
use crate::error::BadInput;
use crate::model::cell::{MOST_DIFFERING, layers_label};
use crate::model::{Activation, Cell};
use crate::stats::{distinct, interval};
use crate::text::short;

/// Default dims, widths, activations and γ: every regime reachable at these sizes.
pub const DIMS: [usize; 3] = [50, 150, 500];
pub const WIDTHS: [usize; 3] = [50, 1000, 10_000];
pub const ACTIVATIONS: [Activation; 2] = [Activation::Relu, Activation::Tanh];
pub const GAMMAS: [f64; 1] = [0.1];
pub const NETWORKS: usize = 100;
pub const SEED: u64 = 2020;
pub const GAIN: f64 = 2.0;
/// Most hidden layers.
const MAX_DEPTH: f64 = 64.0;

/// Largest network, in weights: 1 GiB of f64.
const MAX_WEIGHTS: f64 = (1u64 << 27) as f64;
const MAX_NETWORKS: f64 = 1e6;
/// Smallest γ.
const LEAST_GAMMA: f64 = 1e-12;

/// Everything that determines the numbers of an audit.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// By activation, dim, width; distinct.
    pub settings: Vec<Setting>,
    /// Failure probabilities in [10⁻¹², 1), descending, distinct.
    pub gammas: Vec<f64>,
    /// Networks per setting at first, ≥ 2.
    pub networks: usize,
    /// Networks per setting up to which they are doubled while a verdict is open, ≥ `networks`.
    pub max_networks: usize,
    /// Indices into [`statements::ALL`], ascending.
    pub statements: Vec<usize>,
    pub seed: u64,
}

/// The options as typed; `None` is the default.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    pub dims: Option<Vec<f64>>,
    pub widths: Option<Vec<f64>>,
    pub gammas: Option<Vec<f64>>,
    pub activations: Option<Vec<Activation>>,
    pub networks: Option<f64>,
    pub max_networks: Option<f64>,
    pub statements: Option<Vec<String>>,
    pub seed: Option<i64>,
    /// Numbers of hidden layers for the multi-layer statements, each with every width.
    pub depths: Option<Vec<f64>>,
    /// Hidden widths of further networks for the multi-layer statements.
    pub hidden: Option<Vec<Vec<f64>>>,
    /// Gains of the multi-layer statements.
    pub gains: Option<Vec<f64>>,
}

impl Typed {
    /// # Errors
    /// A value out of range, or an unknown statement.
    pub fn validate(self) -> Result<Options, BadInput> {
        let dims = sizes(self.dims.clone(), &DIMS, "dim", "log d has to be positive", 2.0)?;
        let layers = layers(&self, &dims)?;
        let widths = sizes(self.widths, &WIDTHS, "width", "a network needs neurons", 1.0)?;
        let activations = distinct(self.activations.unwrap_or_else(|| ACTIVATIONS.to_vec()));
        let mut gammas = self.gammas.unwrap_or_else(|| GAMMAS.to_vec());
        if let Some(gamma) = gammas.iter().find(|gamma| !(**gamma > 0.0 && **gamma < 1.0)) {
            let what = format!("the failure probability {} is not between 0 and 1", short(*gamma));
            return Err(BadInput::new(what, "the statements hold with probability 1 − γ", "give --gamma such as 0.1,0.01"));
        }
        if let Some(gamma) = gammas.iter().find(|gamma| **gamma < LEAST_GAMMA) {
            return Err(BadInput::new(
                format!("the failure probability {gamma:e} is too small"),
                "no number of networks could show a failure so rare, and 1 − γ loses its digits",
                format!("give --gamma {LEAST_GAMMA:e} or more, such as 0.1,0.01"),
            ));
        }
        gammas.sort_by(|a, b| b.total_cmp(a));
        gammas.dedup();
        let networks =
            whole(self.networks.unwrap_or(NETWORKS as f64), "number of networks", "an interval takes two", 2.0, MAX_NETWORKS)?;
        let max_networks = max_networks(self.max_networks, networks, &gammas)?;
        let seed = self.seed.map_or(Ok(SEED), |seed| {
            let why = "streams are keyed by whole numbers from 0";
            u64::try_from(seed).map_err(|_| BadInput::new(format!("the seed {seed} is negative"), why, "give --seed 0 or more"))
        })?;
        let is_multilayer = !layers.is_empty();
        let all = || (0..statements::ALL.len()).filter(|&index| statements::ALL[index].is_multilayer() == is_multilayer).collect();
        let statements = self.statements.map_or_else(|| Ok(all()), |names| chosen(&names))?;
        let mut settings = Vec::new();
        for &activation in &activations {
            settings.extend(layers.iter().map(|layers| Setting::deep(layers.cell, layers.gain, activation)));
            for &dim in dims.iter().filter(|_| !is_multilayer) {
                settings.extend(widths.iter().map(|&width| Setting::two_layer(dim, width, activation)));
            }
        }
        if let Some(large) = settings.iter().find(|setting| setting.cell().weights() > MAX_WEIGHTS) {
            return Err(BadInput::new(
                format!("dim {} with width {} is too large", large.dim, large.shape()),
                "an audit holds its networks in memory, 1 GiB each at most",
                "give smaller --dims or --widths",
            ));
        }
        let applies = |&index: &usize| settings.iter().any(|setting| statements::ALL[index].concerns(setting));
        if !statements.iter().any(applies) {
            let names: Vec<&str> = activations.iter().map(|activation| activation.name()).collect();
            return Err(BadInput::new(
                format!("there is nothing to audit with activation {}", names.join(",")),
                "the statements chosen are on others: ReLU or smooth ones, or networks of other depths",
                "give other --statements, another --activation, or --depths for the multi-layer ones",
            ));
        }
        Ok(Options { settings, gammas, networks, max_networks, statements, seed })
    }
}

impl Options {
    /// The options as TOML.
    pub fn to_table(&self) -> Table {
        let integer = |number: usize| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
        let setting = |setting: &Setting| {
            let name = Value::from(setting.activation.name());
            let mut values = vec![name, integer(setting.dim), integer(setting.width)];
            if let Some(Layers { cell, gain }) = setting.layers {
                values.extend([Value::from(layers_label(cell.widths())), Value::from(gain)]);
            }
            Value::from(values)
        };
        let ids = self.statements().map(|(_, statement)| Value::from(statement.id()));
        Table::from_iter([
            ("settings".to_string(), Value::from(self.settings.iter().map(setting).collect::<Vec<_>>())),
            ("gammas".to_string(), Value::from(self.gammas.clone())),
            ("networks".to_string(), integer(self.networks)),
            ("max_networks".to_string(), integer(self.max_networks)),
            ("statements".to_string(), Value::from(ids.collect::<Vec<_>>())),
            ("seed".to_string(), Value::from(i64::try_from(self.seed).unwrap_or(i64::MAX))),
        ])
    }

    /// The inverse of [`to_table`](Self::to_table).
    pub fn from_table(table: &Table) -> Option<Self> {
        let list = |key: &str| table.get(key)?.as_array();
        let whole = |value: &Value| usize::try_from(value.as_integer()?).ok();
        let setting = |value: &Value| {
            let ([name, dim, width], layers) = value.as_array()?.split_first_chunk()?;
            let activation = Activation::ALL.into_iter().find(|activation| Some(activation.name()) == name.as_str())?;
            let [hidden, gain] = layers else { return Some(Setting::two_layer(whole(dim)?, whole(width)?, activation)) };
            let cell = Cell::of_layers(whole(dim)?, &parse_layers(hidden.as_str()?)?);
            Some(Setting::deep(cell, gain.as_float()?, activation))
        };
        let statement = |value: &Value| statements::ALL.iter().position(|statement| Some(statement.id()) == value.as_str());
        Some(Self {
            settings: list("settings")?.iter().map(setting).collect::<Option<_>>()?,
            gammas: list("gammas")?.iter().map(Value::as_float).collect::<Option<_>>()?,
            networks: whole(table.get("networks")?)?,
            max_networks: whole(table.get("max_networks")?)?,
            statements: list("statements")?.iter().map(statement).collect::<Option<_>>()?,
            seed: u64::try_from(table.get("seed")?.as_integer()?).ok()?,
        })
    }

    /// The statements that are audited.
    pub fn statements(&self) -> impl Iterator<Item = (usize, &'static dyn Statement)> {
        self.statements.iter().map(|&index| (index, statements::ALL[index]))
    }
}

/// How often the first networks are doubled by default, as a factor.
const GROWTH: usize = 4;
/// The largest factor by default, where the smallest γ needs it.
const GROWTH_FOR_GAMMA: usize = 40;

/// `typed`, or [`GROWTH`] times `networks`, or what the smallest γ needs.
fn max_networks(typed: Option<f64>, networks: usize, gammas: &[f64]) -> Result<usize, BadInput> {
    let Some(typed) = typed else {
        let needed = networks_for(gammas);
        let for_gamma = if needed <= GROWTH_FOR_GAMMA * networks { needed } else { 0 };
        return Ok((GROWTH * networks).max(for_gamma).min(MAX_NETWORKS as usize));
    };
    let most = whole(typed, "largest number of networks", "an interval takes two", 2.0, MAX_NETWORKS)?;
    if most < networks {
        return Err(BadInput::new(
            format!("--max-networks {most} is less than the {networks} networks measured at first"),
            "networks are only added",
            format!("give --max-networks {networks} or more, or fewer --networks"),
        ));
    }
    Ok(most)
}

/// The fewest networks that can show the smallest of `gammas`.
pub fn networks_for(gammas: &[f64]) -> usize {
    let least = gammas.iter().copied().fold(1.0, f64::min);
    usize::try_from(interval::trials_to_show(least)).unwrap_or(usize::MAX)
}

/// Jaro similarity from which a statement is suggested for an unknown one.
const LIKE: f64 = 0.7;

fn chosen(names: &[String]) -> Result<Vec<usize>, BadInput> {
    let index = |name: &String| {
        statements::ALL.iter().position(|statement| statement.id() == name.trim()).ok_or_else(|| {
            let ids: Vec<&str> = statements::ALL.iter().map(|statement| statement.id()).collect();
            let near = ids
                .iter()
                .map(|id| (strsim::jaro(id, name), *id))
                .filter(|(likeness, _)| *likeness > LIKE)
                .max_by(|a, b| a.0.total_cmp(&b.0));
            let near = near.map_or_else(String::new, |(_, id)| format!("; did you mean {id}?"));
            let what = format!("there is no statement `{name}`");
            BadInput::new(what, "it is none of those that are listed", format!("see advstep-hpc audit --list{near}"))
        })
    };
    Ok(distinct(names.iter().map(index).collect::<Result<Vec<usize>, _>>()?))
}

/// Shapes and gains of the multi-layer statements, in order: by dim, depth, width, gain. None without depths and hidden widths.
fn layers(typed: &Typed, dims: &[usize]) -> Result<Vec<Layers>, BadInput> {
    let gains = typed.gains.clone().unwrap_or_else(|| vec![GAIN]);
    if let Some(gain) = gains.iter().find(|gain| !(**gain >= 1e-3 && **gain <= 1e3)) {
        let what = format!("the gain {} cannot be audited", short(*gain));
        return Err(BadInput::new(
            what,
            "64 layers would take values out of range",
            "give --gain between 0.001 and 1000, such as 1,2",
        ));
    }
    if typed.depths.is_none() && typed.hidden.is_none() {
        return match typed.gains {
            None => Ok(Vec::new()),
            Some(_) => Err(BadInput::new(
                "--gain without layers to apply it to",
                "two-layer networks have no weights above the first layer that it could scale",
                "add --depths or --hidden",
            )),
        };
    }
    let why = "a network needs at least one hidden layer";
    let depths =
        typed.depths.iter().flatten().map(|&depth| whole(depth, "depth", why, 1.0, MAX_DEPTH)).collect::<Result<Vec<_>, _>>()?;
    let widths = sizes(typed.widths.clone(), &[50, 200, 800], "width", "a network needs neurons", 1.0)?;
    let mut hidden = Vec::new();
    for layers in typed.hidden.iter().flatten() {
        let widths = layers.iter().map(|&width| whole(width, "width", "a network needs neurons", 1.0, MAX_WEIGHTS));
        let widths = widths.collect::<Result<Vec<_>, _>>()?;
        if !is_shape(&widths) {
            return Err(BadInput::new(
                format!("a network of {} hidden layers cannot be audited", widths.len()),
                format!("it has from 1 to {MOST_DIFFERING} layers if they differ in width, and up to {MAX_DEPTH} if not"),
                "give fewer widths after --hidden",
            ));
        }
        hidden.push(widths);
    }
    let mut cells: Vec<Cell> = Vec::new();
    for &dim in dims {
        cells.extend(depths.iter().flat_map(|&depth| widths.iter().map(move |&width| Cell::new(depth, dim, width))));
        cells.extend(hidden.iter().map(|widths| Cell::of_layers(dim, widths)));
    }
    cells.sort_by_key(|cell| (cell.dim, *cell));
    cells.dedup();
    let mut gains = gains;
    gains.sort_by(f64::total_cmp);
    gains.dedup();
    Ok(cells.iter().flat_map(|&cell| gains.iter().map(move |&gain| Layers { cell, gain })).collect())
}

/// Whether hidden layers of these widths are a [`Cell`] that an audit takes.
fn is_shape(widths: &[usize]) -> bool {
    let is_equal = widths.iter().all(|width| *width == widths[0]);
    let most = if is_equal { MAX_DEPTH as usize } else { MOST_DIFFERING };
    (1..=most).contains(&widths.len()) && widths.iter().all(|&width| width >= 1 && (width as f64) <= MAX_WEIGHTS)
}

/// The widths in `100,10,100`; `None` if no network has them.
pub fn parse_layers(text: &str) -> Option<Vec<usize>> {
    let widths: Vec<usize> = text.split(',').map(|width| width.parse().ok()).collect::<Option<_>>()?;
    is_shape(&widths).then_some(widths)
}

fn sizes(typed: Option<Vec<f64>>, default: &[usize], noun: &str, why: &str, least: f64) -> Result<Vec<usize>, BadInput> {
    let Some(typed) = typed else { return Ok(default.to_vec()) };
    let sizes = typed.iter().map(|&size| whole(size, noun, why, least, MAX_WEIGHTS)).collect::<Result<Vec<_>, _>>()?;
    Ok(distinct(sizes))
}

/// `number` as an integer from `least` to `most`.
fn whole(number: f64, noun: &str, why: &str, least: f64, most: f64) -> Result<usize, BadInput> {
    if (least..=most).contains(&number) && number.fract() == 0.0 {
        return Ok(number as usize);
    }
    let remedy = format!("give a whole number from {least} to {most}");
    let what = format!("the {noun} {} cannot be audited", short(number));
    Err(BadInput::new(what, if number < least { why } else { "it is too large or no whole number" }, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        let options = Typed::default().validate().unwrap();
        assert_eq!(options.settings.len(), DIMS.len() * WIDTHS.len() * ACTIVATIONS.len());
        assert_eq!(options.statements.len(), statements::ALL.iter().filter(|statement| !statement.is_multilayer()).count());
    }

    #[test]
    fn what_was_typed_arrives_in_order() {
        let typed = Typed {
            dims: Some(vec![30.0, 10.0, 30.0]),
            widths: Some(vec![5.0]),
            gammas: Some(vec![0.01, 0.5]),
            activations: Some(vec![Activation::Erf, Activation::Relu]),
            networks: Some(7.0),
            statements: Some(vec!["lemma-8".to_string()]),
            seed: Some(3),
            ..Typed::default()
        };
        let options = typed.validate().unwrap();
        let settings: Vec<_> = options.settings.iter().map(|s| (s.activation, s.dim, s.width)).collect();
        let (relu, erf) = (Activation::Relu, Activation::Erf);
        assert_eq!(settings, [(relu, 10, 5), (relu, 30, 5), (erf, 10, 5), (erf, 30, 5)]);
        assert_eq!((options.gammas, options.networks, options.seed), (vec![0.5, 0.01], 7, 3));
    }

    #[test]
    fn bad_values_are_refused() {
        let refuse = |typed: Typed| typed.validate().unwrap_err().what;
        assert!(refuse(Typed { dims: Some(vec![1.0]), ..Typed::default() }).contains("the dim 1 "));
        assert!(refuse(Typed { widths: Some(vec![f64::INFINITY]), ..Typed::default() }).contains("the width inf "));
        assert!(refuse(Typed { dims: Some(vec![1e4]), widths: Some(vec![1e5]), ..Typed::default() }).contains("too large"));
        assert!(refuse(Typed { networks: Some(1.0), ..Typed::default() }).contains("networks 1 "));
        assert!(refuse(Typed { max_networks: Some(99.0), ..Typed::default() }).contains("--max-networks 99 is less than"));
        assert!(refuse(Typed { max_networks: Some(1e7), ..Typed::default() }).contains("largest number of networks 1"));
        assert!(refuse(Typed { seed: Some(-1), ..Typed::default() }).contains("-1"));
        for gamma in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(refuse(Typed { gammas: Some(vec![gamma]), ..Typed::default() }).contains("failure probability"));
        }
        assert!(refuse(Typed { gammas: Some(vec![0.1, 9e-13]), ..Typed::default() }).contains("9e-13 is too small"));
        let unknown = Typed { statements: Some(vec!["lemma-88".to_string()]), ..Typed::default() }.validate().unwrap_err();
        assert!(unknown.remedy.contains("did you mean lemma-8"), "{unknown}");
    }

    #[test]
    fn the_largest_number_of_networks_follows_from_gamma() {
        let most = |networks: f64, gamma: f64| {
            let typed = Typed { networks: Some(networks), gammas: Some(vec![0.5, gamma]), ..Typed::default() };
            typed.validate().unwrap().max_networks
        };
        // 36, 368 and 3688 networks show 0.1, 0.01 and 0.001.
        assert_eq!([most(100.0, 0.1), most(20.0, 0.1), most(50.0, 0.01), most(100.0, 0.001)], [400, 80, 368, 3688]);
        assert_eq!([most(20.0, 0.001), most(100.0, 1e-12), most(9e5, 0.1)], [80, 400, 1_000_000]);
    }
}
