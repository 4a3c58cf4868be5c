//! The audit: the paper's statements about two-layer networks, and others' about deeper ones, tested on random networks, with the bound as
//! printed, the measured value, and a verdict.
//!
//! A [`Statement`] is one file in [`statements`]. At every [`Setting`] (d, k, ψ) the audit builds networks ([`network`], [`deep`]) with one input each; every
//! applicable statement measures a few numbers on each. From those of all networks it makes [`Entry`]s at each γ through [`claim`], which
//! defines estimates, intervals and verdicts. [`job`] distributes the work; [`file`](mod@file), [`table`] and [`figures`] are the output.
//!
//! Logarithms are natural, as in the paper.

pub mod claim;
pub mod deep;
pub mod deep_variation;
pub mod entry;
pub mod figures;
pub mod file;
pub mod flips;
pub mod growth;
pub mod hessian;
pub mod job;
pub mod lanczos;
pub mod limit;
pub mod memory;
pub mod network;
pub mod options;
pub mod spectrum;
pub mod statements;
pub mod step_constant;
pub mod subsets;
pub mod table;
pub mod variation;

use crate::model::{Activation, Cell};
use crate::text::{differing, values_apart};

pub use crate::stats::Estimate;
pub use claim::Claim;
pub use deep::DeepNetwork;
pub use entry::{Entry, Outcome, Verdict};
pub use network::Network;
pub use options::Options;

/// The distribution of a network: input dimension, width and activation; for the multi-layer statements also the shape and the gain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting {
    /// d.
    pub dim: usize,
    /// k, of the widest layer if they differ.
    pub width: usize,
    /// ψ.
    pub activation: Activation,
    /// Of a network of the multi-layer statements; `None` is the paper's two-layer network.
    pub layers: Option<Layers>,
}

/// The hidden layers of a network of the multi-layer statements.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layers {
    pub cell: Cell,
    /// Weights above the first layer are N(0, gain/fan-in).
    pub gain: f64,
}

/// Bounds on a supremum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bracket {
    /// Attained: a lower bound.
    pub found: f64,
    /// Certified upper bound.
    pub at_most: f64,
}

impl Setting {
    /// The paper's two-layer network, for the paper's statements.
    pub fn two_layer(dim: usize, width: usize, activation: Activation) -> Self {
        Self { dim, width, activation, layers: None }
    }

    /// A network of any depth, for the multi-layer statements.
    pub fn deep(cell: Cell, gain: f64, activation: Activation) -> Self {
        Self { dim: cell.dim, width: cell.width, activation, layers: Some(Layers { cell, gain }) }
    }

    /// The architecture.
    pub fn cell(&self) -> Cell {
        self.layers.map_or_else(|| Cell::new(1, self.dim, self.width), |layers| layers.cell)
    }

    /// The gain; 2 where it does not matter.
    pub fn gain(&self) -> f64 {
        self.layers.map_or(2.0, |layers| layers.gain)
    }

    /// k as in tables: `200`, or `3×200, gain 2` and `100,10,100, gain 2`.
    pub fn shape(&self) -> String {
        let Some(Layers { cell, gain }) = self.layers else { return self.width.to_string() };
        let widths = if cell.has_differing_layers() { cell.width_label() } else { format!("{}×{}", cell.depth, cell.width) };
        format!("{widths}, gain {gain}")
    }

    /// d.
    pub fn d(&self) -> f64 {
        self.dim as f64
    }

    /// k.
    pub fn k(&self) -> f64 {
        self.width as f64
    }

    /// The width regime at failure probability γ.
    pub fn regime(&self, gamma: f64) -> Regime {
        let (d, k, log_d) = (self.d(), self.k(), self.d().ln());
        let case_1 = k >= d * log_d.powi(2);
        let case_2 = k >= log_d.powi(6) * (1.0 / gamma).ln() && k <= d * log_d.powi(3);
        match (case_1, case_2) {
            (true, true) => Regime::Cases12,
            (true, false) => Regime::Case1,
            (false, true) => Regime::Case2,
            (false, false) if 10.0 * k <= d => Regime::Undercomplete,
            (false, false) => Regime::Between,
        }
    }
}

/// The paper's width regimes (p. 2), with constants 1 in its ≳ and ≲.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Regime {
    /// k ≪ d, here k ≤ d/10: the regime of Daniely & Schacham (2020).
    Undercomplete,
    /// None of the others.
    Between,
    /// Case 1: k ≥ d log² d.
    Case1,
    /// Case 2: log⁶(d) log(1/γ) ≤ k ≤ d log³ d.
    Case2,
    /// Both cases.
    Cases12,
}

impl Regime {
    /// The label in tables and files.
    pub fn label(self) -> &'static str {
        match self {
            Regime::Undercomplete => "k ≪ d",
            Regime::Between => "between",
            Regime::Case1 => "Case 1",
            Regime::Case2 => "Case 2",
            Regime::Cases12 => "Cases 1, 2",
        }
    }
}

/// One statement of the paper, implemented in one file and listed in [`statements::ALL`].
pub trait Statement: Sync {
    /// The name on the command line and in files, e.g. `lemma-8`.
    fn id(&self) -> &'static str;

    /// Its place in the paper, e.g. `Lemma 8, p. 21`.
    fn citation(&self) -> &'static str;

    /// The statement in one line.
    fn claim(&self) -> &'static str;

    /// Whether it concerns networks of this setting (one on smooth ψ does not concern ReLU). Unmet conditions on d and k do not matter here:
    /// entries report them ([`Claim::assuming`]).
    fn applies(&self, _setting: &Setting) -> bool {
        true
    }

    /// Whether it is about networks of any depth, measured by [`measure_deep`](Self::measure_deep).
    fn is_multilayer(&self) -> bool {
        false
    }

    /// Whether it is measured at this setting.
    fn concerns(&self, setting: &Setting) -> bool {
        self.is_multilayer() == setting.layers.is_some() && self.applies(setting)
    }

    /// Networks to measure of `asked`; fewer for expensive measurements, unless a small γ takes more.
    fn networks(&self, _setting: &Setting, asked: usize) -> usize {
        asked
    }

    /// Approximate flops of [`measure`](Statement::measure), for load balancing.
    fn cost(&self, setting: &Setting) -> f64;

    /// Names of the values returned by [`measure`](Statement::measure).
    fn columns(&self, setting: &Setting) -> Vec<String>;

    /// Measures one network: one value per column. A pure function of the network; random numbers come from [`Network::generator`].
    fn measure(&self, _network: &Network) -> Vec<f64> {
        unreachable!("{} is not about two-layer networks alone", self.id())
    }

    /// The same for a statement on networks of any depth.
    fn measure_deep(&self, _network: &DeepNetwork) -> Vec<f64> {
        unreachable!("{} is about two-layer networks", self.id())
    }

    /// The entries at one setting and γ.
    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry>;

    /// The entries over several settings, such as an exponent in d; `all` has one activation, sorted by dim, then width.
    fn across(&self, _all: &[Measured], _gamma: f64) -> Vec<Entry> {
        Vec::new()
    }
}

/// The measurements of a statement at one setting.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// [`Statement::id`].
    pub statement: &'static str,
    pub setting: Setting,
    pub columns: Vec<String>,
    /// networks × columns, in network order.
    pub rows: Vec<Vec<f64>>,
}

impl Measured {
    /// Column `index`, over networks.
    pub fn column(&self, index: usize) -> Vec<f64> {
        self.rows.iter().map(|row| row[index]).collect()
    }
}

/// A finished audit.
#[derive(Debug, Clone)]
pub struct Audit {
    pub options: Options,
    /// By statement, activation, dim, width.
    pub measured: Vec<Measured>,
    /// By statement, activation, γ, setting; entries over several settings last.
    pub entries: Vec<Entry>,
}

impl Audit {
    /// Makes the entries of `measured`, which is sorted.
    fn of(options: Options, measured: Vec<Measured>) -> Self {
        let mut entries = Vec::new();
        for own in measured.chunk_by(|a, b| (a.statement, a.setting.activation) == (b.statement, b.setting.activation)) {
            let statement = statements::find(own[0].statement).expect("it has been measured");
            for &gamma in &options.gammas {
                entries.extend(own.iter().flat_map(|measured| statement.judge(measured, gamma)));
                entries.extend(statement.across(own, gamma));
            }
        }
        Self { options, measured, entries }
    }

    /// Describes the first difference in options or measurements; `None` if there is none. Floats are compared by bits.
    pub fn difference(&self, other: &Audit) -> Option<String> {
        if let Some((key, a, b)) = differing(&self.options.to_table(), &other.options.to_table()) {
            let (a, b) = values_apart(a, b);
            return Some(format!("{key} is {a} against {b}"));
        }
        let pairs = self.measured.iter().zip(&other.measured);
        pairs.into_iter().find_map(|(a, b)| {
            let bits = |measured: &Measured| -> Vec<u64> { measured.rows.iter().flatten().map(|x| x.to_bits()).collect() };
            let Setting { dim, activation, .. } = a.setting;
            let shape = a.setting.shape();
            (bits(a) != bits(b)).then(|| format!("{} of {} at d = {dim}, k = {shape}", a.statement, activation.name()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regimes_are_those_of_the_paper() {
        let label = |dim, width| Setting::two_layer(dim, width, Activation::Relu).regime(0.1).label();
        assert_eq!(
            [label(500, 50), label(500, 51), label(500, 19_310), label(500, 19_311)],
            ["k ≪ d", "between", "between", "Case 1"]
        );
        // log⁶ d log 10 passes below d log³ d at d = 606, where Case 1 has long begun.
        assert_eq!([label(605, 159_200), label(606, 159_255), label(606, 159_256)], ["Case 1", "Case 1", "Cases 1, 2"]);
        assert_eq!([label(606, 159_372), label(606, 159_373)], ["Cases 1, 2", "Case 1"]);
    }
}
