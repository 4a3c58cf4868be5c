//! The operator norm of ∇²f = (1/√k) Wᵀ diag(a ψ''(Wx)) W for smooth ψ: at a point by Lanczos on Hessian-vector products (two
//! matrix-vector products each), and in a ball by ascent.

use ndarray::{Array1, ArrayView1};

use super::Network;
use super::lanczos::extremes;
use super::network::norm;

/// Relative tolerance of the Lanczos iteration.
const TOLERANCE: f64 = 1e-7;
/// Hessian-vector products between moves of the point in [`norm_in_ball`].
const POWER_STEPS: usize = 3;
/// Step of the difference quotient for ψ'''.
const STEP: f64 = 1e-4;

/// ‖∇²f‖_op at pre-activations `z` (length k), from start vector `start` (length d, not 0).
pub fn operator_norm(network: &Network, z: ArrayView1<f64>, start: ArrayView1<f64>) -> f64 {
    let curvature = curvature(network, z);
    extremes(start, TOLERANCE, |v| times(network, &curvature, v)).norm()
}

/// A lower bound of sup ‖∇²f(x + δ)‖_op over ‖δ‖ ≤ `radius`. From the point x + `start`, scaled to the rim, v follows the power
/// method for ∇²f(x + δ) while δ climbs along the gradient of |vᵀ∇²f(x + δ)v|, ±(1/√k) Σ a_ℓ ψ'''(w_ℓ·(x + δ)) (w_ℓ·v)² w_ℓ,
/// `steps` times; the norm at the last point is then measured.
pub fn norm_in_ball(network: &Network, radius: f64, start: ArrayView1<f64>, steps: usize) -> f64 {
    let second = |z: f64| network.activation().second_derivative(z);
    let form = |z: &Array1<f64>, along: &Array1<f64>| -> f64 {
        let terms = network.a.iter().zip(z).zip(along).map(|((a, z), along)| a * second(*z) * along * along);
        network.scale() * terms.sum::<f64>()
    };
    let mut delta = scaled_to(start, radius);
    let mut there = &network.z + &network.forward(delta.view());
    let mut v = scaled_to(start, 1.0);
    let mut share = 1.0;
    for _ in 0..steps {
        let here = curvature(network, there.view());
        for _ in 0..POWER_STEPS {
            let next = times(network, &here, v.view());
            // Far out ψ'' may underflow to 0 in every neuron.
            if norm(next.view()) > 0.0 {
                v = scaled_to(next.view(), 1.0);
            }
        }
        let along = network.forward(v.view());
        let value = form(&there, &along);
        let third = |z: f64| (second(z + STEP) - second(z - STEP)) / (2.0 * STEP);
        let climb = network.backward((there.mapv(third) * &along * &along * value.signum()).view());
        let next = scaled_to((&delta * (1.0 - share) + scaled_to(climb.view(), radius) * share).view(), radius);
        let next_there = &network.z + &network.forward(next.view());
        match form(&next_there, &along).abs() > value.abs() {
            true => (delta, there) = (next, next_there),
            false => share *= 0.5,
        }
    }
    operator_norm(network, there.view(), v.view())
}

/// ψ''(z).
fn curvature(network: &Network, z: ArrayView1<f64>) -> Array1<f64> {
    z.mapv(|z| network.activation().second_derivative(z))
}

/// ∇²f v.
fn times(network: &Network, curvature: &Array1<f64>, v: ArrayView1<f64>) -> Array1<f64> {
    network.backward((curvature * &network.forward(v)).view())
}

/// `vector` scaled to norm `length`; zero stays zero.
pub fn scaled_to(vector: ArrayView1<f64>, length: f64) -> Array1<f64> {
    let size = norm(vector);
    if size > 0.0 { &vector * (length / size) } else { vector.to_owned() }
}
