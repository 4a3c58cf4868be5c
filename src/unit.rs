//! One network × its inputs → one [`UnitRecord`]. This is the science: it knows nothing of MPI, files or terminals.

use crate::experiment::Unit;

pub use crate::standin::measure;

/// What became of the search for one input. The discriminants are the codes in files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The smallest step, with a certificate that no earlier one exists.
    FoundExact = 0,
    /// A step bracketed by a verified scan: an earlier crossing is unlikely but not excluded.
    FoundScan = 1,
    /// No sign change within the bound.
    NoneWithinBound = 2,
    /// f(x) = 0 or ∇f(x) = 0: there is no direction to step in.
    Dead = 3,
}

impl Status {
    pub const ALL: [Status; 4] = [Status::FoundExact, Status::FoundScan, Status::NoneWithinBound, Status::Dead];

    /// The status with file code `code`.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Status::FoundExact => "found-exact",
            Status::FoundScan => "found-scan",
            Status::NoneWithinBound => "none-within-bound",
            Status::Dead => "dead",
        }
    }

    pub fn is_found(self) -> bool {
        matches!(self, Status::FoundExact | Status::FoundScan)
    }
}

/// The measurement at one input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// η*, the smallest t > 0 at which f(x − sign(f(x))·t·∇f(x)) has lost the sign of f(x); NaN unless found.
    pub step: f64,
    /// ‖∇f(x)‖.
    pub gradient_norm: f64,
    /// f(x).
    pub value: f64,
    pub status: Status,
    /// Points of the line at which the whole network was evaluated for this input.
    pub evaluations: u32,
}

/// All samples of one network.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitRecord {
    pub unit: Unit,
    /// One for each input, in input order.
    pub samples: Vec<Sample>,
    /// Seconds of one thread that the unit took. The only field that may differ between two runs.
    pub seconds: f64,
}
