//! How far a search goes.

/// The largest step, and the largest distance; both apply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    pub step: f64,
    /// In the Euclidean norm; ∞ if only steps are bounded.
    pub distance: f64,
}

impl Bound {
    /// The largest step along a direction of length `norm`.
    pub fn along(self, norm: f64) -> f64 {
        self.step.min(self.distance / norm)
    }
}

impl From<f64> for Bound {
    /// A bound on the step alone.
    fn from(step: f64) -> Self {
        Self { step, distance: f64::INFINITY }
    }
}
