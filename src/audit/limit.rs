//! Infinite width: what the multi-layer statements measure has a closed form or a short quadrature there.
//!
//! f is then a Gaussian process whose covariance follows from layer to layer: with q_l = E z_l², equal for all inputs of norm √d, and ρ_l the
//! correlation of z_l at two inputs, q_(l+1) = gain E ψ(u)², ρ_(l+1) = E ψ(u)ψ(v)/E ψ(u)², (u, v) Gaussian of variances q_l and correlation ρ_l.

use std::f64::consts::{PI, SQRT_2};

use crate::infinite::kernel::{Angle, excess};
use crate::model::Activation;
use crate::model::activation::LEAK;

/// Correlation of f(x) and f(x′) at x·x′/d = cos θ.
pub fn correlation(activation: Activation, gain: f64, depth: usize, theta: f64) -> f64 {
    let (mut q, mut rho) = (1.0, theta.cos());
    for _ in 0..depth {
        let square = product(activation, q, 1.0);
        rho = (product(activation, q, rho) / square).clamp(-1.0, 1.0);
        q = gain * square;
    }
    rho
}

/// E ψ(u)ψ(v) for variances `q` and correlation `rho`.
fn product(activation: Activation, q: f64, rho: f64) -> f64 {
    let relu = |rho: f64| 0.5 * (rho + excess(rho.clamp(-1.0, 1.0).acos(), 1).0);
    match activation {
        Activation::Relu => q * relu(rho),
        // z ↦ LEAK z + (1 − LEAK) max(z, 0), and E u max(v, 0) = ρ/2.
        Activation::LeakyRelu => q * (LEAK * LEAK * rho + LEAK * (1.0 - LEAK) * rho + (1.0 - LEAK).powi(2) * relu(rho)),
        // The trapezoidal rule converges geometrically for analytic ψ.
        _ => {
            const STEP: f64 = 0.2;
            let (sigma, orthogonal) = (q.sqrt(), (1.0 - rho * rho).max(0.0).sqrt());
            let point = |i: i32| STEP * f64::from(i);
            let density = |z: f64| STEP * (-0.5 * z * z).exp() / (2.0 * PI).sqrt();
            let inner = |a: f64| -> f64 {
                (-40..=40).map(|j| activation.value(sigma * (rho * a + orthogonal * point(j))) * density(point(j))).sum()
            };
            (-40..=40).map(|i| activation.value(sigma * point(i)) * density(point(i)) * inner(point(i))).sum()
        }
    }
}

/// The mean of [`correlation`] over two independent inputs: θ has density ∝ sin^(d−2) θ.
pub fn mean_correlation(activation: Activation, gain: f64, depth: usize, dim: usize) -> f64 {
    const POINTS: usize = 65;
    let half = (8.0 / (dim as f64).sqrt()).min(PI / 2.0);
    let angle = |i: usize| PI / 2.0 - half + 2.0 * half * (i as f64 + 0.5) / POINTS as f64;
    let weighted =
        (0..POINTS).map(angle).map(|theta| (theta.sin().powi(dim as i32 - 2), correlation(activation, gain, depth, theta)));
    let (total, sum) = weighted.fold((0.0, 0.0), |(total, sum), (weight, value)| (total + weight, sum + weight * value));
    sum / total
}

/// The probability that the step of length `length` along the gradient flips the sign of a ReLU network ([`infinite`](crate::infinite)): the
/// path at angle θ is Gaussian given ζ = |N(0, 1)| and χ, chi-distributed with d − 1 degrees of freedom.
pub fn relu_flip_probability(depth: usize, dim: usize, length: f64) -> f64 {
    let d = dim as f64;
    let middle = (d - 1.5).max(0.0).sqrt();
    let (mut total, mut flipped) = (0.0, 0.0);
    for i in 0..80 {
        let zeta = 0.1 * (f64::from(i) + 0.5);
        for j in -30..=30 {
            let chi = middle + 0.2 * f64::from(j);
            if chi <= 0.0 {
                continue;
            }
            // χ^(d−2) exp(−χ²/2), relative to its value at the middle.
            let chi_density = ((d - 2.0) * (chi / middle.max(1e-9)).ln() - 0.5 * (chi * chi - middle * middle)).exp();
            let weight = (-0.5 * zeta * zeta).exp() * chi_density;
            let u = length / (d.sqrt() * (zeta * zeta + chi * chi).sqrt());
            let angle = Angle::new((u * chi).atan2(1.0 - u * zeta), depth);
            let std = angle.covariance(&angle, depth).max(0.0).sqrt();
            total += weight;
            flipped += weight * 0.5 * libm::erfc(angle.mean(zeta, chi) / (std * SQRT_2));
        }
    }
    flipped / total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quadrature_gives_the_closed_form_of_erf() {
        // E erf(u) erf(v) = (2/π) asin(2qρ/(1 + 2q)) (Williams 1997).
        for (q, rho) in [(1.0, 0.3), (0.5, -0.8), (1.5, 1.0)] {
            let exact = 2.0 / PI * f64::asin(2.0 * q * rho / (1.0 + 2.0 * q));
            assert!((product(Activation::Erf, q, rho) - exact).abs() < 1e-6, "{q}, {rho}");
        }
    }

    #[test]
    fn relu_is_the_arc_cosine_map_whatever_the_gain() {
        for depth in [1, 3, 64] {
            for theta in [0.1_f64, 1.5, 3.0] {
                let exact = theta.cos() + excess(theta, depth).0;
                assert!((correlation(Activation::Relu, 1.0, depth, theta) - exact).abs() < 1e-10);
                assert!((correlation(Activation::Relu, 2.0, depth, theta) - exact).abs() < 1e-10);
            }
        }
    }

    /// Inputs of high dimension are orthogonal: κ_1(π/2) = 1/π, plus κ''/2 = 1/(2π) times E ρ² = 1/d.
    #[test]
    fn the_mean_over_inputs_is_that_of_orthogonal_ones_and_a_correction() {
        let d = 1000.0;
        let share = mean_correlation(Activation::Relu, 2.0, 1, 1000);
        assert!((share - (1.0 / PI + 1.0 / (2.0 * PI * d))).abs() < 1e-6, "{share}");
    }

    /// By paths drawn directly: ζ, χ and Z(θ).
    #[test]
    fn flip_probabilities_are_those_of_drawn_paths() {
        use crate::random::normal::StandardNormal;
        use rand::distr::Distribution;
        use rand_xoshiro::rand_core::SeedableRng;
        let mut normals = StandardNormal.sample_iter(rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(1));
        for (depth, dim, length) in [(1, 20, 1.0_f64), (3, 50, 2.0)] {
            let mut hits = 0;
            for _ in 0..20_000 {
                let zeta: f64 = f64::abs(normals.next().unwrap());
                let chi = (1..dim).map(|_| f64::powi(normals.next().unwrap(), 2)).sum::<f64>().sqrt();
                let u = length / ((dim as f64).sqrt() * zeta.hypot(chi));
                let angle = Angle::new((u * chi).atan2(1.0 - u * zeta), depth);
                let std = angle.covariance(&angle, depth).sqrt();
                hits += usize::from(angle.mean(zeta, chi) + std * normals.next().unwrap() < 0.0);
            }
            let (share, exact) = (hits as f64 / 2e4, relu_flip_probability(depth, dim, length));
            assert!((share - exact).abs() < 4.0 * (exact / 2e4).sqrt() + 1e-3, "{share} against {exact}");
        }
    }
}
