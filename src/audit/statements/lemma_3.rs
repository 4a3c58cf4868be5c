//! Lemma 3, the descent lemma: the deviation of f along the gradient from its linear prediction, against the variation of the gradient.
//!
//! With u = ∇f(x)/‖∇f(x)‖ and a step to x + r u, r of either sign, η = r ‖∇f(x)‖, the left side is |f(x + r u) − f(x) − η|. The right side is |r|
//! times the supremum of ‖∇f(x) − ∇f(x + δ)‖ over the ball ‖δ‖ ≤ |r|. The supremum over the segment from 0 to r u is smaller and suffices for the
//! proof, so it is tested instead. For piecewise linear ψ the gradient takes finitely many values on the segment, one after each breakpoint, and the
//! supremum is exact; for smooth ψ it is a lower bound from [`POINTS`] points, or more where that is below the left side.

use ndarray::{Array1, Array2};

use crate::audit::network::norm;
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};

pub struct Lemma3;

/// Sample points on the segment for smooth ψ, and their maximum.
const POINTS: usize = 8;
const MOST_POINTS: usize = 8 * 8 * 8 * 8;

/// Step lengths |r| on the microscopic, mesoscopic and macroscopic scale.
fn radii(dim: usize) -> [f64; 3] {
    [0.1, 1.0, (dim as f64).sqrt()]
}

/// Names of the radii.
const RADII: [&str; 3] = ["‖δ‖ = 0.1", "‖δ‖ = 1", "‖δ‖ = √d"];

impl Statement for Lemma3 {
    fn id(&self) -> &'static str {
        "lemma-3"
    }

    fn citation(&self) -> &'static str {
        "Lemma 3, appendix A"
    }

    fn claim(&self) -> &'static str {
        "|f(x + η∇f/‖∇f‖²) − f(x) − η| ≤ sup ‖∇f(x) − ∇f(x + δ)‖ |η|/‖∇f‖ over ‖δ‖ ≤ η/‖∇f‖, always"
    }

    fn cost(&self, setting: &Setting) -> f64 {
        2.0 * setting.d() * setting.k() * (2.0 + 6.0 * POINTS as f64)
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        RADII.iter().flat_map(|radius| [format!("left side, {radius}"), format!("right side, {radius}")]).collect()
    }

    /// (left, right) per radius, for the sign of r with the smaller margin.
    fn measure(&self, network: &Network) -> Vec<f64> {
        let gradient = network.gradient_at_input();
        let length = norm(gradient.view());
        if length == 0.0 {
            // The lemma divides by ‖∇f(x)‖, so no such step exists.
            return vec![0.0; 2 * RADII.len()];
        }
        let u = network.forward((gradient / length).view());
        let sides = |r: f64| {
            let value = network.value((&network.z + &(&u * r)).view());
            let left = (value - network.value_at_input() - r * length).abs();
            let mut points = POINTS;
            loop {
                let right = r.abs() * largest_change(network, &(&u * r), points);
                if left <= right || points >= MOST_POINTS || network.activation().is_piecewise_linear() {
                    return (left, right);
                }
                points *= 8;
            }
        };
        let margin = |(left, right): (f64, f64)| if left > 0.0 { right / left } else { f64::INFINITY };
        let nearest = |radius: f64| {
            let (forward, backward) = (sides(radius), sides(-radius));
            if margin(forward) <= margin(backward) { forward } else { backward }
        };
        radii(network.setting.dim).into_iter().map(nearest).flat_map(|(left, right)| [left, right]).collect()
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let size = |row: &[f64]| row.iter().fold(1.0_f64, |size, side| size.max(side.abs()));
        let entry = |(index, radius): (usize, &&str)| {
            // Both sides are 0 up to rounding of f.
            let ratio = |row: &Vec<f64>| match (row[2 * index], row[2 * index + 1]) {
                (left, _) if left <= 1e-12 * size(row) => 0.0,
                (left, right) => left / right,
            };
            let ratios: Vec<f64> = measured.rows.iter().map(ratio).collect();
            Claim::of(measured, gamma, "left side/right side").part(*radius).always_at_most(&ratios, 1.0)
        };
        RADII.iter().enumerate().map(entry).collect()
    }
}

/// sup over t in [0, 1] of ‖∇f(z + t·v) − ∇f(z)‖: exact for piecewise linear ψ, a lower bound from `points` points for smooth ψ.
fn largest_change(network: &Network, v: &Array1<f64>, points: usize) -> f64 {
    match network.activation().leak() {
        Some(leak) => largest_change_by_breakpoints(network, v, leak),
        None => largest_change_on_grid(network, v, points),
    }
}

/// Walks the breakpoints −z/v in (0, 1) in order: at each the gradient jumps by (1 − leak) a_i sign(v_i) w_i/√k.
fn largest_change_by_breakpoints(network: &Network, v: &Array1<f64>, leak: f64) -> f64 {
    let mut breakpoints: Vec<(f64, usize)> =
        network.z.iter().zip(v).map(|(z, v)| -z / v).enumerate().map(|(i, t)| (t, i)).collect();
    breakpoints.retain(|(t, _)| (0.0..1.0).contains(t));
    breakpoints.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut change: Array1<f64> = Array1::zeros(network.setting.dim);
    let mut largest = 0.0_f64;
    for (_, neuron) in breakpoints {
        let jump = (1.0 - leak) * network.a[neuron] * v[neuron].signum() * network.scale();
        change.scaled_add(jump, &network.w.row(neuron));
        largest = largest.max(change.dot(&change));
    }
    largest.sqrt()
}

fn largest_change_on_grid(network: &Network, v: &Array1<f64>, points: usize) -> f64 {
    let activation = network.activation();
    let here = network.z.mapv(|z| activation.derivative(z));
    let mut largest = 0.0;
    // In batches, to bound memory.
    for first in (1..=points).step_by(POINTS) {
        let mut changes = Array2::zeros((POINTS, network.setting.width));
        for (point, mut row) in (first..).zip(changes.rows_mut()) {
            let t = point as f64 / points as f64;
            for neuron in 0..network.setting.width {
                let there = activation.derivative(network.z[neuron] + t * v[neuron]);
                row[neuron] = (there - here[neuron]) * network.a[neuron] * network.scale();
            }
        }
        let gradients = changes.dot(&network.w);
        largest = gradients.rows().into_iter().map(norm).fold(largest, f64::max);
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Activation;
    use crate::model::{Cell, Readout};
    use crate::random::NetworkStreams;

    /// sup over a fine grid, by gradients from scratch.
    fn by_force(network: &Network, v: &Array1<f64>) -> f64 {
        let here = network.gradient(network.z.view());
        let at = |i: i32| {
            let there = network.gradient((&network.z + &(v * (f64::from(i) / 2000.0))).view());
            norm((&there - &here).view())
        };
        (1..=2000).map(at).fold(0.0, f64::max)
    }

    #[test]
    fn the_supremum_along_the_segment_is_that_of_a_fine_grid() {
        for activation in [Activation::Relu, Activation::LeakyRelu, Activation::Tanh, Activation::Gelu] {
            for (index, r) in [0.3, -1.0, 3.0].into_iter().enumerate() {
                let network = Network::new(9, Setting::two_layer(8, 40, activation), index);
                let gradient = network.gradient_at_input();
                let v = network.forward((gradient * (r / norm(gradient.view()))).view());
                let (got, expected) = (largest_change(&network, &v, POINTS), by_force(&network, &v));
                // The fine grid may miss the largest piece of a piecewise linear network; the coarse one of a smooth network is below.
                let agrees = match activation.leak() {
                    Some(_) => got >= expected - 1e-12 && got <= expected * 1.05,
                    None => got <= expected + 1e-12 && got >= expected * 0.97,
                };
                assert!(agrees, "{} r = {r}: {got} against {expected}", activation.name());
            }
        }
    }

    #[test]
    fn the_left_side_is_that_of_the_naive_formula() {
        let network = Network::new(9, Setting::two_layer(8, 40, Activation::Relu), 0);
        let gradient = network.gradient_at_input().clone();
        let row = Lemma3.measure(&network);
        let left = |r: f64| {
            let length = norm(gradient.view());
            let point = &network.x + &(&gradient * (r / length));
            (network.value(network.forward(point.view()).view()) - network.value_at_input() - r * length).abs()
        };
        for (index, radius) in radii(8).into_iter().enumerate() {
            let got = row[2 * index];
            assert!([left(radius), left(-radius)].iter().any(|left| (left - got).abs() < 1e-12), "radius {radius}: {got}");
        }
    }

    /// One neuron with a sine: eight points, all of the same phase, would see no change at all.
    #[test]
    fn a_smooth_segment_is_searched_until_the_lemma_holds() {
        let setting = Setting::two_layer(4, 1, Activation::Sine);
        let streams = NetworkStreams::new(1, Cell::new(1, 4, 1), 0, 1.0, Readout::Sign);
        // A step of √d = 2 along w changes the phase by 2‖w‖, eight whole turns.
        let w = Array2::from_shape_fn((1, 4), |(_, i)| if i == 0 { 8.0 * std::f64::consts::PI } else { 0.0 });
        let network = Network::of(setting, w, Array1::ones(1), Array1::from(vec![0.1, 1.0, 1.0, 1.0]), streams);
        let row = Lemma3.measure(&network);
        assert!(row[4] > 1.0 && row[4] <= row[5], "{row:?}");
    }
}
