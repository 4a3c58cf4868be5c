//! Statistics of a measurement, per direction.

use super::Measurement;
use crate::interchange::inputs::Labels;
use crate::model::Direction;
use crate::record::{Sample, Status};
use crate::stats::moments::quantile;

/// Lower, middle and upper quantile: 5 %, 50 %, 95 %.
pub const LEVELS: [f64; 3] = [0.05, 0.5, 0.95];

/// The samples of one direction. Quantiles are over the inputs found, NaN without any.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub direction: Direction,
    pub inputs: usize,
    /// By [`Status::ALL`].
    pub counts: [usize; 5],
    pub step: [f64; 3],
    pub distance: [f64; 3],
    /// ‖δ‖/‖x‖, where x ≠ 0.
    pub relative_distance: [f64; 3],
    /// ‖δ‖ divided by that along the gradient, over inputs that both flip; NaN for the gradient itself, or if it was not measured.
    pub ratio: [f64; 3],
    /// Number of inputs that both flip.
    pub pairs: usize,
}

impl Summary {
    /// Of every direction, in the order of the measurement.
    pub fn all(measurement: &Measurement) -> Vec<Self> {
        let directions = &measurement.options.directions;
        let of = |(index, &direction): (usize, &Direction)| {
            let samples = &measurement.samples[index];
            let found = || samples.iter().filter(|sample| sample.status.is_found());
            let ratios = ratios(measurement, direction);
            Self {
                direction,
                inputs: samples.len(),
                counts: Status::ALL.map(|status| samples.iter().filter(|sample| sample.status == status).count()),
                step: quantiles(found().map(|sample| sample.step)),
                distance: quantiles(found().map(|sample| sample.distance)),
                relative_distance: quantiles(found().map(relative).filter(|ratio| ratio.is_finite())),
                pairs: ratios.len(),
                ratio: quantiles(ratios.into_iter()),
            }
        };
        directions.iter().enumerate().map(of).collect()
    }

    /// Fraction of the inputs whose sign or class changes.
    pub fn fraction(&self) -> f64 {
        (self.counts[Status::FoundExact as usize] + self.counts[Status::FoundScan as usize]) as f64 / self.inputs as f64
    }
}

/// ‖δ‖/‖x‖.
pub fn relative(sample: &Sample) -> f64 {
    sample.distance / sample.input_norm
}

/// ‖δ‖ along `direction` over that along the gradient, where both are found; none along the gradient or without it.
pub fn ratios(measurement: &Measurement, direction: Direction) -> Vec<f64> {
    let along = |wanted: Direction| {
        let at = measurement.options.directions.iter().position(|&direction| direction == wanted);
        at.map(|at| &measurement.samples[at])
    };
    let (Some(samples), Some(gradient)) = (along(direction), along(Direction::Gradient)) else { return Vec::new() };
    if direction == Direction::Gradient {
        return Vec::new();
    }
    let pairs = samples.iter().zip(gradient).filter(|(one, other)| one.status.is_found() && other.status.is_found());
    pairs.map(|(one, other)| one.distance / other.distance).collect()
}

/// Fraction of the inputs whose predicted class is their label, if both are known.
pub fn accuracy(measurement: &Measurement) -> Option<f64> {
    let Some(Labels::Numbers(labels)) = &measurement.labels else { return None };
    let predicted = &measurement.predicted;
    let right = labels.iter().zip(predicted).filter(|(label, predicted)| **label == i64::from(**predicted)).count();
    (!predicted.is_empty()).then(|| right as f64 / predicted.len() as f64)
}

fn quantiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_unstable_by(f64::total_cmp);
    LEVELS.map(|level| quantile(&values, level))
}
