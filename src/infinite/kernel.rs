//! The covariance of the process on the circle, without cancellation near θ = 0.
//!
//! One layer takes angle θ_l to θ_{l+1} with cos θ_{l+1} = cos θ_l + p(θ_l), p(θ) = (sin θ − θ cos θ)/π (Cho & Saul 2009, order 1,
//! normalised). So after L layers κ(θ) = cos θ + S(θ), with the *excess* S = Σ_{l<L} p(θ_l), θ_0 = |θ|: a sum of positive terms, about
//! L|θ|³/3π near 0. A process with covariance cos(θ − θ') is determined by value and slope at 0, so the conditional covariance depends on S only:
//!
//! C(θ, θ') = S(θ−θ') − S(θ) cos θ' − S(θ') cos θ − S(θ) S(θ') + S'(θ) sin θ' + S'(θ') sin θ − S'(θ) S'(θ')
//!
//! which is O(θ³), like integrated Brownian motion, and so is every term: no O(1) terms cancel.

use std::f64::consts::PI;

/// Below this angle p is evaluated by its power series.
const SERIES: f64 = 0.5;

/// p(θ) = (sin θ − θ cos θ)/π for θ in [0, π].
fn layer_excess(angle: f64) -> f64 {
    if angle > SERIES {
        return (libm::sin(angle) - angle * libm::cos(angle)) / PI;
    }
    // Σ (−1)^(k+1) 2k/(2k+1)! θ^(2k+1); the first omitted term is 10⁻¹⁷ of the sum.
    const COEFFICIENTS: [f64; 7] =
        [1.0 / 3.0, -1.0 / 30.0, 1.0 / 840.0, -1.0 / 45_360.0, 1.0 / 3_991_680.0, -1.0 / 518_918_400.0, 1.0 / 93_405_312_000.0];
    let square = angle * angle;
    COEFFICIENTS.iter().rev().fold(0.0, |sum, coefficient| sum * square + coefficient) * square * angle / PI
}

/// S(θ) and S'(θ) after `depth` layers, for θ in [0, π].
pub fn excess(angle: f64, depth: usize) -> (f64, f64) {
    let (mut excess, mut slope) = (0.0, 0.0);
    let half = libm::sin(angle / 2.0);
    // θ_l, 1 − cos θ_l and dθ_l/dθ.
    let (mut inner, mut versine, mut stretch) = (angle, 2.0 * half * half, 1.0);
    for layer in 0..depth {
        let (added, sin) = (layer_excess(inner), (versine * (2.0 - versine)).max(0.0).sqrt());
        excess += added;
        slope += inner * sin / PI * stretch;
        if layer + 1 == depth || versine == 0.0 {
            break;
        }
        stretch *= (1.0 - inner / PI) * sin;
        versine -= added;
        inner = 2.0 * libm::asin((versine / 2.0).sqrt());
        stretch /= (versine * (2.0 - versine)).sqrt();
    }
    (excess, slope)
}

/// An angle in [0, π] with the functions of it that covariances need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Angle {
    pub theta: f64,
    sin: f64,
    cos: f64,
    /// S and S' there.
    excess: f64,
    slope: f64,
}

impl Angle {
    pub fn new(theta: f64, depth: usize) -> Self {
        let ((sin, cos), (excess, slope)) = (libm::sincos(theta), excess(theta, depth));
        Self { theta, sin, cos, excess, slope }
    }

    /// E[Z(θ) | Z(0) = ζ, Z'(0) = −χ].
    pub fn mean(&self, zeta: f64, chi: f64) -> f64 {
        zeta * (self.cos + self.excess) + chi * (self.slope - self.sin)
    }

    /// Cov[Z(θ), Z(θ') | Z(0), Z'(0)] after `depth` layers.
    pub fn covariance(&self, other: &Angle, depth: usize) -> f64 {
        let (a, b) = (self, other);
        let between = excess((a.theta - b.theta).abs(), depth).0;
        between - a.excess * b.cos - b.excess * a.cos - a.excess * b.excess + a.slope * b.sin + b.slope * a.sin - a.slope * b.slope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// κ as it is usually written.
    fn iterated_map(angle: f64, depth: usize) -> f64 {
        (0..depth).fold(angle.cos(), |rho: f64, _| {
            let rho = rho.clamp(-1.0, 1.0);
            ((1.0 - rho * rho).sqrt() + rho * (PI - rho.acos())) / PI
        })
    }

    #[test]
    fn the_kernel_is_the_iterated_arc_cosine_map() {
        for depth in [1, 2, 3, 6, 20] {
            for step in 0..=100 {
                let angle = PI * f64::from(step) / 100.0;
                let kernel = angle.cos() + excess(angle, depth).0;
                assert!((kernel - iterated_map(angle, depth)).abs() < 1e-13, "depth {depth}, angle {angle}: {kernel}");
            }
        }
    }

    #[test]
    fn the_excess_is_accurate_at_small_angles() {
        // S = (L/3π) θ³ + O(θ⁴): the second order of the inner angles is θ_l = θ − l θ²/3π.
        for depth in [1, 2, 6, 50] {
            let layers = depth as f64;
            for angle in [1e-3, 1e-5, 1e-8] {
                let (excess, slope) = excess(angle, depth);
                let second = layers * (layers - 1.0) / 2.0 / (3.0 * PI) * angle;
                let expected = angle.powi(3) / (3.0 * PI) * (layers - 3.0 * second);
                let error = layers * (layers * angle).powi(2) + 1e-13;
                assert!((excess / expected - 1.0).abs() < error, "depth {depth}, angle {angle}: {excess} against {expected}");
                let expected = angle.powi(2) / PI * (layers - 4.0 * second);
                assert!((slope / expected - 1.0).abs() < error, "depth {depth}, angle {angle}: {slope} against {expected}");
            }
        }
    }

    #[test]
    fn slopes_are_derivatives() {
        for depth in [1, 2, 6] {
            for step in 1..50 {
                let (angle, h) = (PI * f64::from(step) / 50.0, 1e-5);
                let difference = (excess(angle + h, depth).0 - excess(angle - h, depth).0) / (2.0 * h);
                let slope = excess(angle, depth).1;
                assert!((difference - slope).abs() < 1e-8, "depth {depth}, angle {angle}: {slope} against {difference}");
            }
        }
    }

    #[test]
    fn conditional_covariances_follow_from_the_kernel() {
        // By the rule for Gaussian vectors, from κ alone: with Cov(Z(θ), Z'(0)) = −κ'(θ) and Var Z'(0) = −κ''(0) = 1.
        for depth in [1, 3, 6] {
            let kernel = |angle: f64| iterated_map(angle.abs(), depth);
            let slope = |angle: f64| (kernel(angle + 1e-5) - kernel(angle - 1e-5)) / 2e-5;
            for (a, b) in [(0.3, 0.3), (0.3, 1.2), (2.0, 1.9), (0.5, 3.0)] {
                let expected = kernel(a - b) - kernel(a) * kernel(b) - slope(a) * slope(b);
                let covariance = Angle::new(a, depth).covariance(&Angle::new(b, depth), depth);
                assert!((covariance - expected).abs() < 1e-9, "depth {depth}, {a}, {b}: {covariance} against {expected}");
                let mean = Angle::new(a, depth).mean(0.7, 2.0);
                assert!((mean - (0.7 * kernel(a) + 2.0 * slope(a))).abs() < 1e-9, "depth {depth}, {a}: mean {mean}");
            }
        }
    }

    #[test]
    fn near_zero_the_path_is_an_integrated_brownian_motion() {
        for depth in [1, 6] {
            let rate = 12.0 * depth as f64 / (3.0 * PI);
            for (a, b) in [(1e-6_f64, 1e-6_f64), (3e-6, 1e-6), (1e-5, 2e-6)] {
                let expected = rate * b * b * (3.0 * a - b) / 6.0;
                let covariance = Angle::new(a, depth).covariance(&Angle::new(b, depth), depth);
                assert!((covariance / expected - 1.0).abs() < 1e-3, "depth {depth}, {a}, {b}: {covariance} against {expected}");
            }
        }
    }
}
