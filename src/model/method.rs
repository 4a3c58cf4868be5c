//! Engines and searches by name: those that can be asked for, and those that a cell gets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which engine multiplies with the weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// The cheapest for each cell, by a frozen rule: [`method`](crate::method).
    Auto,
    /// Every weight is drawn and multiplied.
    Dense,
    /// Products with the weights are drawn in place of the weights.
    Implicit,
}

/// Engine that evaluated a cell, as named in files and tables. The discriminants are the codes in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EngineName {
    Dense = 0,
    /// Products with the weights are drawn in place of the weights.
    Implicit = 1,
    /// The Gaussian process of infinite width: every input is a draw of its own.
    Limit = 2,
    /// One hidden layer, drawn in the few directions in which it is multiplied.
    Shallow = 3,
}

impl EngineName {
    pub const ALL: [EngineName; 4] = [EngineName::Dense, EngineName::Implicit, EngineName::Limit, EngineName::Shallow];

    /// The engine with file code `code`.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    pub fn name(self) -> &'static str {
        match self {
            EngineName::Dense => "dense",
            EngineName::Implicit => "implicit",
            EngineName::Limit => "limit",
            EngineName::Shallow => "shallow",
        }
    }
}

/// How the smallest step is searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SearchChoice {
    /// Exact for one hidden layer and for narrow deep networks, scan for wide deep ones.
    Auto,
    /// Exact everywhere: tracing at depth 2 and more, whatever it costs.
    Exact,
    /// Scan everywhere.
    Scan,
}

/// Search that found the steps of a cell, as named in files and tables. The discriminants are the codes in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SearchName {
    /// Exact search along the line of one hidden layer.
    Line = 0,
    /// Exact tracing of the linear pieces of a deep network.
    Trace = 1,
    /// Verified scan.
    Scan = 2,
    /// The sampled path of an infinitely wide network, on a grid refined where it may cross zero.
    Path = 3,
    /// Certified marching along the line of one hidden layer with a smooth ψ.
    March = 4,
    /// Gradient descent in many small steps: no line.
    Descent = 5,
}

impl SearchName {
    pub const ALL: [SearchName; 6] =
        [SearchName::Line, SearchName::Trace, SearchName::Scan, SearchName::Path, SearchName::March, SearchName::Descent];

    /// The search with file code `code`.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    pub fn name(self) -> &'static str {
        match self {
            SearchName::Line => "line",
            SearchName::Trace => "trace",
            SearchName::Scan => "scan",
            SearchName::Path => "path",
            SearchName::March => "march",
            SearchName::Descent => "descent",
        }
    }
}

/// Engine and search of a cell: with the experiment, they decide every byte of its results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method {
    pub engine: EngineName,
    pub search: SearchName,
}

/// `dense line`.
impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.engine.name(), self.search.name())
    }
}

impl Method {
    /// The method that is [displayed](fmt::Display) as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        let (engine, search) = text.split_once(' ')?;
        Some(Self {
            engine: EngineName::ALL.into_iter().find(|name| name.name() == engine)?,
            search: SearchName::ALL.into_iter().find(|name| name.name() == search)?,
        })
    }
}
