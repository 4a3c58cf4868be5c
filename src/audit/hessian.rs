//! The operator norm of ∇²f = (1/√k) Wᵀ diag(a ψ''(Wx)) W for smooth ψ: at a point from the explicit d × d matrix by LAPACK or, where d is
//! too large for that, by Lanczos on Hessian-vector products (two matrix-vector products each); in a ball by ascent.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView1, Axis, s};

use super::lanczos::{Extremes, extremes};
use super::network::norm;
use super::{Network, Setting, spectrum};

/// Relative tolerance of the Lanczos iteration.
const TOLERANCE: f64 = 1e-7;
/// Hessian-vector products between moves of the point in [`norm_in_ball`].
const POWER_STEPS: usize = 3;
/// Step of the difference quotient for ψ'''.
const STEP: f64 = 1e-4;
/// Neurons that enter the explicit Hessian at once.
const BLOCK: usize = 256;
/// Typical Hessian-vector products per Lanczos run.
const PRODUCTS: f64 = 40.0;

/// Approximate flops of [`operator_norm`].
pub fn cost(setting: &Setting) -> f64 {
    let (d, k) = (setting.d(), setting.k());
    if setting.dim <= spectrum::LARGEST { 2.0 * d * d * k + spectrum::cost(d) } else { 4.0 * PRODUCTS * d * k }
}

/// ‖∇²f‖_op at pre-activations `z` (length k): by LAPACK for d ≤ [`spectrum::LARGEST`], otherwise by [`by_lanczos`] from `start` (length d,
/// not 0).
pub fn operator_norm(network: &Network, z: ArrayView1<f64>, start: ArrayView1<f64>) -> f64 {
    let by_lapack = (network.setting.dim <= spectrum::LARGEST).then(|| spectrum::by_lapack(&explicit(network, z))).flatten();
    by_lapack.as_ref().map_or_else(|| by_lanczos(network, z, start), Extremes::norm)
}

/// A lower bound of ‖∇²f‖_op, converged to a relative 10⁻⁷.
pub fn by_lanczos(network: &Network, z: ArrayView1<f64>, start: ArrayView1<f64>) -> f64 {
    let curvature = curvature(network, z);
    extremes(start, TOLERANCE, |v| times(network, &curvature, v)).norm()
}

/// ∇²f, d × d.
fn explicit(network: &Network, z: ArrayView1<f64>) -> Array2<f64> {
    let factors = curvature(network, z) * &network.a * network.scale();
    let mut hessian = Array2::zeros((network.setting.dim, network.setting.dim));
    for first in (0..network.setting.width).step_by(BLOCK) {
        let rows = first..(first + BLOCK).min(network.setting.width);
        let weights = network.w.slice(s![rows.clone(), ..]);
        let scaled = &weights * &factors.slice(s![rows]).insert_axis(Axis(1));
        general_mat_mul(1.0, &weights.t(), &scaled, 1.0, &mut hessian);
    }
    hessian
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
