//! The measurement of a given network at given inputs, each once and in order: a third client of [`job`](crate::job).

pub mod blocks;
pub mod figures;
pub mod file;
pub mod job;
pub mod options;
pub mod summary;
pub mod table;

use crate::interchange::inputs::Labels;
use crate::record::Sample;

pub use options::Options;
pub use summary::Summary;

/// The samples of a network: at all inputs, or in a table of a job under way at those so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    pub options: Options,
    /// One per input, if known.
    pub labels: Option<Labels>,
    /// By direction, then input.
    pub samples: Vec<Vec<Sample>>,
    /// The predicted class of each input; empty unless f is its margin.
    pub predicted: Vec<u32>,
    /// The class that passes it, by direction and input; [`NO_CLASS`](crate::measure::given::NO_CLASS) where none does. Empty unless f is the margin.
    pub reached: Vec<Vec<u32>>,
}

impl Measurement {
    /// The first difference to another measurement; floats are compared bit by bit.
    pub fn difference(&self, other: &Measurement) -> Option<String> {
        if self.options != other.options {
            return Some("the options: network, inputs, function or search differ".to_string());
        }
        if self.labels != other.labels {
            return Some("the labels".to_string());
        }
        for (index, direction) in self.options.directions.iter().enumerate() {
            let pairs = self.samples[index].iter().zip(&other.samples[index]);
            let differs = |(one, other): (&Sample, &Sample)| bits(one) != bits(other);
            if let Some(row) = pairs.clone().position(differs) {
                return Some(format!("row {row}, direction {}", direction.name()));
            }
        }
        (self.predicted != other.predicted || self.reached != other.reached).then(|| "the classes".to_string())
    }
}

/// The bits of a sample.
fn bits(sample: &Sample) -> ([u64; 6], u8, u32) {
    let Sample { step, zero_step, distance, gradient_norm, value, input_norm, status, evaluations, .. } = *sample;
    ([step, zero_step, distance, gradient_norm, value, input_norm].map(f64::to_bits), status as u8, evaluations)
}
