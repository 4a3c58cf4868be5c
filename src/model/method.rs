//! Engines and searches: the user's choice, and the method a cell gets.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The engine requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// Chosen per cell by a fixed, machine-independent rule.
    Auto,
    /// Draws and multiplies every weight.
    Dense,
    /// Draws matrix products instead of weights.
    Implicit,
}

/// The engine that evaluated a cell. Discriminants are the codes in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EngineName {
    Dense = 0,
    /// Draws matrix products instead of weights.
    Implicit = 1,
    /// The Gaussian process at infinite width; inputs are independent draws.
    Limit = 2,
    /// One hidden layer, drawn only along the span of inputs and gradients.
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

/// The search requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum SearchChoice {
    /// Exact at depth 1 and for narrow deep networks, scan for wide deep ones.
    Auto,
    /// Exact everywhere; traces deep networks at any cost.
    Exact,
    /// Scan everywhere.
    Scan,
}

/// The search that found the steps of a cell. Discriminants are the codes in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SearchName {
    /// Exact line search, one hidden layer.
    Line = 0,
    /// Exact, tracing the linear pieces of a deep network.
    Trace = 1,
    /// Verified scan.
    Scan = 2,
    /// Sampled path at infinite width, on a grid refined where it may cross zero.
    Path = 3,
    /// Certified march, one hidden layer with smooth ψ.
    March = 4,
    /// Gradient descent in many small steps.
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

/// Engine and search of a cell; together with the experiment they determine every output bit.
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
    /// The inverse of [`Display`](fmt::Display).
    pub fn parse(text: &str) -> Option<Self> {
        let (engine, search) = text.split_once(' ')?;
        Some(Self {
            engine: EngineName::ALL.into_iter().find(|name| name.name() == engine)?,
            search: SearchName::ALL.into_iter().find(|name| name.name() == search)?,
        })
    }
}
