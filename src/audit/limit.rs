//! Infinite width: what the multi-layer statements measure has a closed form or a short quadrature there.
//!
//! f is then a Gaussian process whose covariance follows from layer to layer: with q_l = E z_l², equal for all inputs of norm √d, and ρ_l the
//! correlation of z_l at two inputs, q_(l+1) = gain E ψ(u)², ρ_(l+1) = E ψ(u)ψ(v)/E ψ(u)², (u, v) Gaussian of variances q_l and correlation ρ_l.
//! At inputs of other norms q_l differs between the two.

use std::collections::BTreeMap;
use std::f64::consts::{PI, SQRT_2};
use std::sync::{Mutex, PoisonError};

use crate::infinite::kernel::excess;
use crate::model::Activation;
use crate::model::activation::LEAK;

/// Correlation of f(x) and f(x′) at x·x′/d = cos θ.
pub fn correlation(activation: Activation, gain: f64, depth: usize, theta: f64) -> f64 {
    let process = Process::new(activation, gain, depth);
    process.covariance(1.0, 1.0, theta.cos()) / process.covariance(1.0, 1.0, 1.0)
}

/// f as a Gaussian process.
#[derive(Debug, Clone, Copy)]
struct Process {
    activation: Activation,
    gain: f64,
    depth: usize,
}

impl Process {
    /// With the gain that keeps the scale, where ψ(cz) = cψ(z): no ratio depends on it, and 64 layers could overflow.
    fn new(activation: Activation, gain: f64, depth: usize) -> Self {
        let gain = activation.leak().map_or(gain, |leak| 2.0 / (1.0 + leak * leak));
        Self { activation, gain, depth }
    }

    /// Whether every pre-activation is of a scale that [`normal_rule`] resolves.
    fn is_resolved(&self) -> bool {
        let mut q = 1.0;
        let resolved = |q: f64| q.sqrt() <= LARGEST_SCALE;
        self.activation.leak().is_some()
            || (0..self.depth).all(|_| {
                let was = resolved(q);
                q = self.gain * square(self.activation, q);
                was
            })
    }

    /// Cov(f(x), f(y)) at norms `x` and `y`, in units of √d, and the cosine of the angle between the inputs.
    fn covariance(&self, x: f64, y: f64, cosine: f64) -> f64 {
        let (mut q, mut rho, mut last) = ([x * x, y * y], cosine, 0.0);
        for _ in 0..self.depth {
            let squares = q.map(|q| square(self.activation, q));
            last = if rho >= 1.0 && q[0] == q[1] { squares[0] } else { product(self.activation, q, rho) };
            rho = (last / (squares[0].sqrt() * squares[1].sqrt())).clamp(-1.0, 1.0);
            q = squares.map(|square| self.gain * square);
        }
        last
    }

    /// Variance of the derivative of f at x along a direction orthogonal to x, in units of 1/√d.
    fn tangent_variance(&self) -> f64 {
        let (mut q, mut variance) = (1.0, 1.0 / self.gain);
        for _ in 0..self.depth {
            variance *= self.gain * slope_square(self.activation, q);
            q = self.gain * square(self.activation, q);
        }
        variance
    }
}

/// Largest standard deviation of a pre-activation for which the quadrature is fine enough.
const LARGEST_SCALE: f64 = 5.0;

/// Abscissas and weights for E g(Z), Z ~ N(0, 1), g analytic in a strip of width ∝ 1/`scale`: the trapezoidal rule converges geometrically.
fn normal_rule(scale: f64) -> impl Iterator<Item = (f64, f64)> + Clone {
    let step = (0.5 / scale).clamp(0.5 / LARGEST_SCALE, 0.4);
    let half = (8.0 / step).ceil() as i32;
    let point = move |i: i32| step * f64::from(i);
    (-half..=half).map(move |i| (point(i), step * (-0.5 * point(i).powi(2)).exp() / (2.0 * PI).sqrt()))
}

/// E ψ(u)² for variance `q`.
fn square(activation: Activation, q: f64) -> f64 {
    match activation.leak() {
        Some(leak) => 0.5 * q * (1.0 + leak * leak),
        None => normal_rule(q.sqrt()).map(|(z, weight)| weight * activation.value(q.sqrt() * z).powi(2)).sum(),
    }
}

/// E ψ'(u)² for variance `q`.
fn slope_square(activation: Activation, q: f64) -> f64 {
    match activation.leak() {
        Some(leak) => 0.5 * (1.0 + leak * leak),
        None => normal_rule(q.sqrt()).map(|(z, weight)| weight * activation.derivative(q.sqrt() * z).powi(2)).sum(),
    }
}

/// E ψ(u)ψ(v) for variances `q` and correlation `rho`.
fn product(activation: Activation, q: [f64; 2], rho: f64) -> f64 {
    let relu = |rho: f64| 0.5 * (rho + excess(rho.clamp(-1.0, 1.0).acos(), 1).0);
    let scale = q.map(f64::sqrt);
    match activation {
        Activation::Relu => scale[0] * scale[1] * relu(rho),
        // z ↦ LEAK z + (1 − LEAK) max(z, 0), and E u max(v, 0) = ρ/2.
        Activation::LeakyRelu => {
            scale[0] * scale[1] * (LEAK * LEAK * rho + LEAK * (1.0 - LEAK) * rho + (1.0 - LEAK).powi(2) * relu(rho))
        }
        _ => {
            let orthogonal = (1.0 - rho * rho).max(0.0).sqrt();
            let rule = normal_rule(scale[0].max(scale[1]));
            let inner = |a: f64| -> f64 {
                rule.clone().map(|(b, weight)| weight * activation.value(scale[1] * (rho * a + orthogonal * b))).sum()
            };
            rule.clone().map(|(a, weight)| weight * activation.value(scale[0] * a) * inner(a)).sum()
        }
    }
}

/// The mean of [`correlation`] over two independent inputs: θ has density ∝ sin^(d−2) θ. `None` for a smooth ψ at a gain so large that the
/// quadrature does not resolve it.
pub fn mean_correlation(activation: Activation, gain: f64, depth: usize, dim: usize) -> Option<f64> {
    if !Process::new(activation, gain, depth).is_resolved() {
        return None;
    }
    const POINTS: usize = 65;
    let half = (8.0 / (dim as f64).sqrt()).min(PI / 2.0);
    let angle = |i: usize| PI / 2.0 - half + 2.0 * half * (i as f64 + 0.5) / POINTS as f64;
    let weighted =
        (0..POINTS).map(angle).map(|theta| (theta.sin().powi(dim as i32 - 2), correlation(activation, gain, depth, theta)));
    let (total, sum) = weighted.fold((0.0, 0.0), |(total, sum), (weight, value)| (total + weight, sum + weight * value));
    Some(sum / total).filter(|mean| mean.is_finite())
}

/// The joint law of f(x) and f(x′), x′ = x − s(x) t ∇f(x)/‖∇f(x)‖.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointLaw {
    /// P(f(x) f(x′) < 0).
    pub flip: f64,
    /// Correlation of f(x) and f(x′), whose means are 0.
    pub correlation: f64,
    /// std f(x′) ÷ std f(x).
    pub ratio: f64,
}

/// f(x′) given f(x) and ∇f(x), for ∇f at an angle φ to x: normal, and linear in f, the radial derivative and the tangential one.
#[derive(Debug, Clone, Copy)]
struct Conditional {
    on_value: f64,
    on_radial: f64,
    on_tangential: f64,
    variance: f64,
}

/// The law of f and ∇f at x, in units where ‖x‖ = 1.
struct AtInput {
    process: Process,
    /// Var f, Cov(f, ∂_r f), Var ∂_r f; the tangential derivatives have variance `tangential` each and are independent of these.
    value: f64,
    covariance: f64,
    radial: f64,
    tangential: f64,
}

impl AtInput {
    /// Half the width of a central difference.
    const STEP: f64 = 1e-3;

    fn new(process: Process) -> Self {
        const H: f64 = AtInput::STEP;
        let at = |x: f64, y: f64| process.covariance(x, y, 1.0);
        let radial = (at(1.0 + H, 1.0 + H) - 2.0 * at(1.0 + H, 1.0 - H) + at(1.0 - H, 1.0 - H)) / (4.0 * H * H);
        let covariance = (at(1.0 + H, 1.0) - at(1.0 - H, 1.0)) / (2.0 * H);
        Self { process, value: at(1.0, 1.0), covariance, radial, tangential: process.tangent_variance() }
    }

    /// Variance of ∂_r f given f; 0 for ψ with ψ(cz) = cψ(z), where ∂_r f = f.
    fn free_radial(&self) -> f64 {
        let free = self.radial - self.covariance.powi(2) / self.value;
        if free < 1e-5 * self.radial { 0.0 } else { free }
    }

    /// The law at x′, a step `step` against a gradient at angle `phi` to x.
    fn conditional(&self, step: f64, phi: f64) -> Conditional {
        const H: f64 = AtInput::STEP;
        let (x, y) = (1.0 - step * phi.cos(), -step * phi.sin());
        let (norm, theta) = (x.hypot(y), y.atan2(x));
        let with = |r: f64, turned: f64| self.process.covariance(r, norm, (theta - turned).cos());
        let value = with(1.0, 0.0);
        let radial = (with(1.0 + H, 0.0) - with(1.0 - H, 0.0)) / (2.0 * H);
        let tangential = (with(1.0, H) - with(1.0, -H)) / (2.0 * H);
        // Regression on f, then on what ∂_r f has beyond it, and on the tangential derivative.
        let free = self.free_radial();
        let beyond = radial - self.covariance / self.value * value;
        let on_radial = if free > 0.0 { beyond / free } else { 0.0 };
        let explained = value * value / self.value + beyond * on_radial + tangential * tangential / self.tangential;
        Conditional {
            on_value: value / self.value - on_radial * self.covariance / self.value,
            on_radial,
            on_tangential: tangential / self.tangential,
            variance: (self.process.covariance(norm, norm, 1.0) - explained).max(0.0),
        }
    }
}

/// Angles φ at which conditional laws are tabulated.
const ANGLES: usize = 129;

/// ψ, gain, depth, d and the length of the step, floats as bits.
type Key = (&'static str, u64, usize, usize, u64);

/// The joint law at infinite width after a step of length `length`, with ‖x‖ = √d.
///
/// By the symmetry of the readout f(x) > 0 can be assumed. In the plane of x and ∇f, f(x′) is normal given f(x), the radial derivative and
/// the tangential one, whose norm has a χ distribution with d − 1 degrees of freedom; the integral over these three is a quadrature.
///
/// `None` for a smooth ψ at a gain so large or small that the quadrature does not resolve it.
pub fn joint_law(activation: Activation, gain: f64, depth: usize, dim: usize, length: f64) -> Option<JointLaw> {
    // The same laws serve the entries at every γ and of every round.
    static KNOWN: Mutex<BTreeMap<Key, Option<JointLaw>>> = Mutex::new(BTreeMap::new());
    let key = (activation.name(), gain.to_bits(), depth, dim, length.to_bits());
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(law) = known().get(&key) {
        return *law;
    }
    let process = Process::new(activation, gain, depth);
    let is_finite = |law: &JointLaw| law.flip.is_finite() && law.correlation.is_finite() && law.ratio.is_finite();
    let law = process.is_resolved().then(|| integrate(process, dim, length)).filter(is_finite);
    known().insert(key, law);
    law
}

fn integrate(process: Process, dim: usize, length: f64) -> JointLaw {
    let d = dim as f64;
    let at = AtInput::new(process);
    let step = length / d.sqrt();
    let middle = (d - 1.5).max(0.0).sqrt();
    let free = at.free_radial().sqrt();
    // (weight, f, ∂_r f, |∂_t f|).
    let mut points = Vec::new();
    for i in 0..60 {
        let zeta = 0.12 * (f64::from(i) + 0.5);
        let value = zeta * at.value.sqrt();
        // From the middle of the first interval where the density reaches down to 0.
        let first = if middle < 6.0 { 0.12 } else { middle - 6.0 };
        for j in 0..=50 {
            let chi = first + 0.24 * f64::from(j);
            // χ^(d−2) exp(−χ²/2), relative to its value at the middle.
            let chi_density = ((d - 2.0) * (chi / middle.max(1e-9)).ln() - 0.5 * (chi * chi - middle * middle)).exp();
            let radials = if free > 0.0 { -8..=8 } else { 0..=0 };
            for eta in radials.map(|m| 0.6 * f64::from(m)) {
                let radial = value * at.covariance / at.value + free * eta;
                let weight = (-0.5 * (zeta * zeta + eta * eta)).exp() * chi_density;
                points.push((weight, value, radial, chi * at.tangential.sqrt()));
            }
        }
    }
    let angle = |radial: f64, tangential: f64| tangential.atan2(radial);
    let angles = points.iter().map(|&(_, _, radial, tangential)| angle(radial, tangential));
    let (low, high) = angles.fold((PI, 0.0_f64), |(low, high), phi| (low.min(phi), high.max(phi)));
    let spacing = (high - low).max(1e-9) / (ANGLES - 1) as f64;
    let table: Vec<Conditional> = (0..ANGLES).map(|i| at.conditional(step, low + spacing * i as f64)).collect();
    let (mut total, mut flipped, mut product, mut square) = (0.0, 0.0, 0.0, 0.0);
    for (weight, value, radial, tangential) in points {
        let place = (angle(radial, tangential) - low) / spacing;
        let index = (place as usize).min(ANGLES - 2);
        let between =
            |of: fn(&Conditional) -> f64| of(&table[index]) + (place - index as f64) * (of(&table[index + 1]) - of(&table[index]));
        let mean = between(|c| c.on_value) * value + between(|c| c.on_radial) * radial + between(|c| c.on_tangential) * tangential;
        let variance = between(|c| c.variance);
        total += weight;
        flipped += weight * 0.5 * libm::erfc(mean / (variance.sqrt() * SQRT_2));
        product += weight * value * mean;
        square += weight * (mean * mean + variance);
    }
    JointLaw {
        flip: flipped / total,
        correlation: product / (at.value * total * square).sqrt(),
        ratio: (square / (total * at.value)).sqrt(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quadrature_gives_the_closed_form_of_erf() {
        // E erf(u) erf(v) = (2/π) asin(2qρ/(1 + 2q)) (Williams 1997).
        for (q, rho) in [(1.0, 0.3), (0.5, -0.8), (1.5, 1.0)] {
            let exact = 2.0 / PI * f64::asin(2.0 * q * rho / (1.0 + 2.0 * q));
            assert!((product(Activation::Erf, [q, q], rho) - exact).abs() < 1e-6, "{q}, {rho}");
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
        let share = mean_correlation(Activation::Relu, 2.0, 1, 1000).unwrap();
        assert!((share - (1.0 / PI + 1.0 / (2.0 * PI * d))).abs() < 1e-6, "{share}");
    }

    /// By paths drawn directly: ζ, χ and Z(θ), for ReLU; f(x′) = ‖x′‖ Z(θ) there.
    #[test]
    fn the_joint_law_of_relu_is_that_of_drawn_paths() {
        use crate::infinite::kernel::Angle;
        use crate::random::normal::StandardNormal;
        use rand::distr::Distribution;
        use rand_xoshiro::rand_core::SeedableRng;
        let mut normals = StandardNormal.sample_iter(rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(1));
        for (depth, dim, length) in [(1, 20, 1.0_f64), (3, 50, 2.0), (1, 2, 1.0), (2, 3, 1.0)] {
            let (mut hits, mut product, mut square) = (0, 0.0, 0.0);
            for _ in 0..20_000 {
                let zeta: f64 = f64::abs(normals.next().unwrap());
                let chi = (1..dim).map(|_| f64::powi(normals.next().unwrap(), 2)).sum::<f64>().sqrt();
                let u = length / ((dim as f64).sqrt() * zeta.hypot(chi));
                let angle = Angle::new((u * chi).atan2(1.0 - u * zeta), depth);
                let std = angle.covariance(&angle, depth).sqrt();
                let value = (u * chi).hypot(1.0 - u * zeta) * (angle.mean(zeta, chi) + std * normals.next().unwrap());
                hits += usize::from(value < 0.0);
                product += zeta * value / 2e4;
                square += value * value / 2e4;
            }
            let law = joint_law(Activation::Relu, 2.0, depth, dim, length).unwrap();
            let share = hits as f64 / 2e4;
            assert!((share - law.flip).abs() < 4.0 * (law.flip / 2e4).sqrt() + 1e-3, "{share} against {law:?}");
            // Standard errors are below 1/√20000 = 0.007.
            let (correlation, ratio) = (product / square.sqrt(), square.sqrt());
            assert!(
                (correlation - law.correlation).abs() < 0.03 && (ratio - law.ratio).abs() < 0.03,
                "{correlation}, {ratio}: {law:?}"
            );
        }
    }

    /// ReLU at depth 64, where squares of variances leave f64: the gain does not matter. A smooth ψ is resolved up to a gain of 25.
    #[test]
    fn extreme_gains_are_right_or_told() {
        let at = |gain: f64| (joint_law(Activation::Relu, gain, 64, 20, 1.0), mean_correlation(Activation::Relu, gain, 64, 20));
        assert!(at(2.0) == at(1e-3) && at(2.0) == at(1e3) && at(2.0).0.is_some());
        let erf = |gain: f64| mean_correlation(Activation::Erf, gain, 3, 20).is_some();
        assert_eq!([erf(25.0), erf(100.0)], [true, false]);
        assert_eq!(joint_law(Activation::Tanh, 1e3, 3, 20, 1.0), None);
        // E erf(u)² = (2/π) asin(2q/(1 + 2q)) at the largest scale.
        let q = LARGEST_SCALE * LARGEST_SCALE;
        assert!((square(Activation::Erf, q) - 2.0 / PI * f64::asin(2.0 * q / (1.0 + 2.0 * q))).abs() < 1e-4);
    }

    /// ψ = erf at depth 1: the covariance in closed form, (2/π) asin(2⟨x,y⟩/√((1 + 2‖x‖²)(1 + 2‖y‖²))), and by finite differences from it alone.
    #[test]
    fn covariances_of_erf_are_the_closed_form_at_all_norms() {
        let process = Process { activation: Activation::Erf, gain: 2.0, depth: 1 };
        let exact = |x: f64, y: f64, cosine: f64| {
            2.0 / PI * f64::asin(2.0 * x * y * cosine / ((1.0 + 2.0 * x * x) * (1.0 + 2.0 * y * y)).sqrt())
        };
        for (x, y, cosine) in [(1.0, 1.0, 1.0), (1.0, 0.7, 0.9), (1.2, 0.8, -0.3)] {
            assert!((process.covariance(x, y, cosine) - exact(x, y, cosine)).abs() < 1e-9);
        }
        // ∂_a∂_b of exact(1, 1, cos(a − b)) at a = b: (2/π) (2/3)/√(1 − 4/9).
        let tangent = 2.0 / PI * (2.0 / 3.0) / (5.0_f64 / 9.0).sqrt();
        assert!((process.tangent_variance() - tangent).abs() < 1e-9);
        assert!(
            (AtInput::new(process).free_radial() > 0.01)
                && AtInput::new(Process { activation: Activation::Relu, ..process }).free_radial() == 0.0
        );
    }
}
