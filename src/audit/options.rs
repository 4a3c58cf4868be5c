//! Validated options of an audit.

use toml::{Table, Value};

use super::{Setting, Statement, statements};
use crate::error::BadInput;
use crate::model::Activation;
use crate::stats::distinct;
use crate::text::short;

/// Default dims, widths, activations and γ: every regime reachable at these sizes.
pub const DIMS: [usize; 3] = [50, 150, 500];
pub const WIDTHS: [usize; 3] = [50, 1000, 10_000];
pub const ACTIVATIONS: [Activation; 2] = [Activation::Relu, Activation::Tanh];
pub const GAMMAS: [f64; 1] = [0.1];
pub const NETWORKS: usize = 100;
pub const SEED: u64 = 2020;

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
    /// Networks per setting, ≥ 2.
    pub networks: usize,
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
    pub statements: Option<Vec<String>>,
    pub seed: Option<i64>,
}

impl Typed {
    /// # Errors
    /// A value out of range, or an unknown statement.
    pub fn validate(self) -> Result<Options, BadInput> {
        let dims = sizes(self.dims, &DIMS, "dim", "log d has to be positive", 2.0)?;
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
        let seed = self.seed.map_or(Ok(SEED), |seed| {
            let why = "streams are keyed by whole numbers from 0";
            u64::try_from(seed).map_err(|_| BadInput::new(format!("the seed {seed} is negative"), why, "give --seed 0 or more"))
        })?;
        let statements = self.statements.map_or_else(|| Ok((0..statements::ALL.len()).collect()), |names| chosen(&names))?;
        let mut settings = Vec::new();
        for &activation in &activations {
            for &dim in &dims {
                settings.extend(widths.iter().map(|&width| Setting { dim, width, activation }));
            }
        }
        if let Some(large) = settings.iter().find(|setting| setting.d() * setting.k() > MAX_WEIGHTS) {
            return Err(BadInput::new(
                format!("dim {} with width {} is too large", large.dim, large.width),
                "an audit holds its networks in memory, 1 GiB each at most",
                "give smaller --dims or --widths",
            ));
        }
        let applies = |&index: &usize| settings.iter().any(|setting| statements::ALL[index].applies(setting));
        if !statements.iter().any(applies) {
            let names: Vec<&str> = activations.iter().map(|activation| activation.name()).collect();
            return Err(BadInput::new(
                format!("there is nothing to audit with activation {}", names.join(",")),
                "the statements chosen are on others, ReLU or smooth ones",
                "give other --statements or another --activation",
            ));
        }
        Ok(Options { settings, gammas, networks, statements, seed })
    }
}

impl Options {
    /// The options as TOML.
    pub fn to_table(&self) -> Table {
        let integer = |number: usize| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
        let setting = |setting: &Setting| {
            let name = Value::from(setting.activation.name());
            Value::from(vec![name, integer(setting.dim), integer(setting.width)])
        };
        let ids = self.statements().map(|(_, statement)| Value::from(statement.id()));
        Table::from_iter([
            ("settings".to_string(), Value::from(self.settings.iter().map(setting).collect::<Vec<_>>())),
            ("gammas".to_string(), Value::from(self.gammas.clone())),
            ("networks".to_string(), integer(self.networks)),
            ("statements".to_string(), Value::from(ids.collect::<Vec<_>>())),
            ("seed".to_string(), Value::from(i64::try_from(self.seed).unwrap_or(i64::MAX))),
        ])
    }

    /// The inverse of [`to_table`](Self::to_table).
    pub fn from_table(table: &Table) -> Option<Self> {
        let list = |key: &str| table.get(key)?.as_array();
        let whole = |value: &Value| usize::try_from(value.as_integer()?).ok();
        let setting = |value: &Value| {
            let [name, dim, width] = value.as_array()?.as_slice() else { return None };
            let activation = Activation::ALL.into_iter().find(|activation| Some(activation.name()) == name.as_str())?;
            Some(Setting { dim: whole(dim)?, width: whole(width)?, activation })
        };
        let statement = |value: &Value| statements::ALL.iter().position(|statement| Some(statement.id()) == value.as_str());
        Some(Self {
            settings: list("settings")?.iter().map(setting).collect::<Option<_>>()?,
            gammas: list("gammas")?.iter().map(Value::as_float).collect::<Option<_>>()?,
            networks: whole(table.get("networks")?)?,
            statements: list("statements")?.iter().map(statement).collect::<Option<_>>()?,
            seed: u64::try_from(table.get("seed")?.as_integer()?).ok()?,
        })
    }

    /// The statements that are audited.
    pub fn statements(&self) -> impl Iterator<Item = (usize, &'static dyn Statement)> {
        self.statements.iter().map(|&index| (index, statements::ALL[index]))
    }
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
        assert_eq!(options.statements.len(), statements::ALL.len());
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
        assert!(refuse(Typed { seed: Some(-1), ..Typed::default() }).contains("-1"));
        for gamma in [0.0, 1.0, -0.1, f64::NAN] {
            assert!(refuse(Typed { gammas: Some(vec![gamma]), ..Typed::default() }).contains("failure probability"));
        }
        assert!(refuse(Typed { gammas: Some(vec![0.1, 9e-13]), ..Typed::default() }).contains("9e-13 is too small"));
        let unknown = Typed { statements: Some(vec!["lemma-88".to_string()]), ..Typed::default() }.validate().unwrap_err();
        assert!(unknown.remedy.contains("did you mean lemma-8"), "{unknown}");
    }
}
