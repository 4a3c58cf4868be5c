//! How far a search goes.

/// The largest step, and the largest distance; both apply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bound {
    pub step: f64,
    /// In the Euclidean norm; ∞ if only steps are bounded.
    pub distance: f64,
    /// Parts into which a scan divides it at least, where its usual spacing is wider; 0: none.
    pub parts: f64,
}

impl Bound {
    /// The largest step along a direction of length `norm`.
    pub fn along(self, norm: f64) -> f64 {
        self.step.min(self.distance / norm)
    }

    /// The widest spacing of a scan along a direction of length `norm`.
    pub fn spacing(self, norm: f64) -> f64 {
        if self.parts > 0.0 { self.along(norm) / self.parts } else { f64::INFINITY }
    }
}

impl From<f64> for Bound {
    /// A bound on the step alone.
    fn from(step: f64) -> Self {
        Self { step, distance: f64::INFINITY, parts: 0.0 }
    }
}
