//! Bounds on sup_{‖δ‖ ≤ R} ‖∇f(x) − ∇f(x + δ)‖ (equation 9), the quantity of Propositions 2, 4 and 5.
//!
//! *Lower bound*: ascent from many starts. With h = ∇f(x + δ) − ∇f(x), the gradient of ½‖h‖² in δ is ∇²f(x + δ)·h, and δ moves towards
//! the point of the sphere of radius R in that direction (for small R, the power method for ∇²f). For ReLU ψ'' is a point mass at 0, smoothed over
//! the range of pre-activations that a move of length R changes; h itself is exact.
//!
//! *Upper bound*, for every δ, computed for this network: h = (1/√k) Wᵀ(a ⊙ Δ) with Δ_ℓ = ψ'(w_ℓ·(x + δ)) − ψ'(w_ℓ·x), a_ℓ = ±1.
//! Smooth ψ: |Δ_ℓ| ≤ min(L |w_ℓ·δ|, 2 Lip ψ), so ‖h‖ ≤ ‖W‖ min(L ‖W‖ R/√k, 2 Lip ψ).
//! A kink: only the neurons S with |z_ℓ| ≤ R‖w_ℓ‖ can flip, and T of them at once only if Σ_{ℓ∈T} z_ℓ² ≤ ‖W_S δ‖² ≤ ‖W_S‖² R² (as
//! below equation 41), so ‖h‖ ≤ J ‖W_S‖ √(m/k), m the number of smallest z_ℓ² of S that fit, J the jump of ψ'.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rand::distr::Distribution;

use super::hessian::scaled_to;
use super::network::{Purpose, norm};
use super::{Bracket, Network, Setting, spectrum};
use crate::model::Activation;
use crate::random::normal::StandardNormal;

/// Search effort: random starts per radius (besides those derived from the network), and ascent steps per start.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub starts: usize,
    pub steps: usize,
}

impl Effort {
    /// The effort of the statements. More steps gain a few per cent.
    pub const AUDIT: Effort = Effort { starts: 2, steps: 10 };

    /// Approximate flops of [`brackets`] at `radii` radii.
    pub fn cost(self, dim: f64, width: f64, radii: usize) -> f64 {
        let rows = (radii * (self.starts + KNOWN)) as f64;
        let small = dim.min(width);
        let norms = (radii + 1) as f64 * (2.0 * dim * width * small + spectrum::cost(small));
        8.0 * dim * width * rows * (self.steps + 1) as f64 + norms
    }
}

/// Starts per radius that are derived from the network.
const KNOWN: usize = 5;
/// A failed step halves the step fraction and narrows the smoothed kink by this factor.
const NARROWER: f64 = 0.7;

/// (radius, bounds) at every radius used by a statement, ascending.
pub type Variations = Vec<(f64, Bracket)>;

/// The radii of (6) and Propositions 2, 4 and 5, which share one search.
pub fn radii(setting: &Setting) -> Vec<f64> {
    let d = setting.d();
    let mut radii = vec![d.powf(-0.25), 1.0, d.powf(0.25), d.sqrt() / 2.0, d.sqrt()];
    if setting.activation == Activation::Relu {
        radii.push(small_width_radius(setting));
    }
    radii.sort_by(f64::total_cmp);
    radii
}

/// √k/log⁶ d, the radius of Proposition 5: far below 1 at every feasible d.
pub fn small_width_radius(setting: &Setting) -> f64 {
    setting.k().sqrt() / setting.d().ln().powi(6)
}

/// The bounds at `radius`, one of [`radii`].
pub fn at(network: &Network, radius: f64) -> Bracket {
    let all = network.variations(|| {
        let radii = radii(&network.setting);
        radii.iter().copied().zip(brackets(network, &radii, Effort::AUDIT)).collect()
    });
    all.iter().find(|(other, _)| *other == radius).expect("statements use the shared radii").1
}

/// The bounds at each of `radii`, ascending.
pub fn brackets(network: &Network, radii: &[f64], effort: Effort) -> Vec<Bracket> {
    let spectral = network.operator_norm() * (1.0 + 1e-9);
    let bound = |radius: f64| match network.activation().smoothness() {
        Some(smoothness) => smooth_bound(network, spectral, smoothness, radius),
        None => kink_bound(network, spectral, radius),
    };
    let found = found(network, radii, effort);
    radii.iter().zip(found).map(|(&radius, found)| Bracket { found, at_most: bound(radius) }).collect()
}

/// State of one ascent.
struct Climber {
    /// Index into the radii.
    radius: usize,
    /// Whether δ stays on the sphere or may enter the ball.
    on_rim: bool,
    /// Width of the smoothed kink.
    smear: f64,
    /// Fraction of the way to the new direction per step.
    share: f64,
    best: f64,
}

/// The largest ‖h‖ found by the search at each radius. (Balls are nested, so a larger value at a smaller radius would be a valid bound too; it
/// is not taken over, because it is no measurement at this radius.) All starts at all radii advance together, so a step is four matmuls.
fn found(network: &Network, radii: &[f64], effort: Effort) -> Vec<f64> {
    let (mut climbers, mut starts) = (Vec::new(), Vec::new());
    let mut generator = network.generator(Purpose::Ball);
    let gradient = network.gradient(network.z.view());
    for (index, &radius) in radii.iter().enumerate() {
        let usual = radius / network.setting.d().sqrt();
        let crowd = crowd_width(network.setting.k(), radius);
        let known: [(Array1<f64>, f64); KNOWN] = [
            (over_kinks(network, crowd, 1.0), crowd),
            (over_kinks(network, crowd, -1.0), crowd),
            (gradient.clone(), usual),
            (-&gradient, usual),
            (-&network.x, usual),
        ];
        let random = (0..effort.starts).map(|i| {
            let direction: Array1<f64> = StandardNormal.sample_iter(&mut generator).take(network.setting.dim).collect();
            (direction, if i % 2 == 0 { usual } else { crowd })
        });
        for (i, (direction, smear)) in known.into_iter().chain(random).enumerate() {
            climbers.push(Climber { radius: index, on_rim: i % 3 != 2, smear, share: 1.0, best: 0.0 });
            starts.push(scaled_to(direction.view(), radius));
        }
    }
    let rows: Vec<ArrayView1<f64>> = starts.iter().map(|start| start.view()).collect();
    let mut delta = ndarray::stack(Axis(0), &rows).expect("all starts have d coordinates");
    let mut moved = delta.dot(&network.w.t());
    let mut h = changes(network, moved.view());
    for (climber, h) in climbers.iter_mut().zip(h.rows()) {
        climber.best = norm(h);
    }
    for _ in 0..effort.steps {
        let uphill = uphill(network, moved.view(), h.view(), &climbers);
        let mut next = delta.clone();
        for ((climber, uphill), mut next) in climbers.iter().zip(uphill.rows()).zip(next.rows_mut()) {
            let radius = radii[climber.radius];
            let step = &next * (1.0 - climber.share) + scaled_to(uphill, radius) * climber.share;
            next.assign(&if climber.on_rim { scaled_to(step.view(), radius) } else { step });
        }
        let next_moved = next.dot(&network.w.t());
        let next_h = changes(network, next_moved.view());
        for (i, climber) in climbers.iter_mut().enumerate() {
            let size = norm(next_h.row(i));
            if size > climber.best {
                climber.best = size;
                delta.row_mut(i).assign(&next.row(i));
                moved.row_mut(i).assign(&next_moved.row(i));
                h.row_mut(i).assign(&next_h.row(i));
            } else {
                climber.share *= 0.5;
                climber.smear *= NARROWER;
            }
        }
    }
    let best_at =
        |index: usize| climbers.iter().filter(|climber| climber.radius == index).map(|climber| climber.best).fold(0.0, f64::max);
    (0..radii.len()).map(best_at).collect()
}

/// h for each row W·δ of `moved`.
fn changes(network: &Network, moved: ArrayView2<f64>) -> Array2<f64> {
    let psi = network.activation();
    let before = network.z.mapv(|z| psi.derivative(z));
    let mut change = moved.to_owned();
    for mut row in change.rows_mut() {
        for (((change, z), before), a) in row.iter_mut().zip(&network.z).zip(&before).zip(&network.a) {
            *change = a * network.scale() * (psi.derivative(z + *change) - before);
        }
    }
    change.dot(&network.w)
}

/// ∇²f(x + δ)·h for each row, up to a factor.
fn uphill(network: &Network, moved: ArrayView2<f64>, h: ArrayView2<f64>, climbers: &[Climber]) -> Array2<f64> {
    let psi = network.activation();
    let mut weight = h.dot(&network.w.t());
    for ((mut row, moved), climber) in weight.rows_mut().into_iter().zip(moved.rows()).zip(climbers) {
        for (((weight, moved), z), a) in row.iter_mut().zip(moved).zip(&network.z).zip(&network.a) {
            let there = z + moved;
            *weight *= a * match psi.is_piecewise_linear() {
                true => (-0.5 * (there / climber.smear).powi(2)).exp(),
                false => psi.second_derivative(there),
            };
        }
    }
    weight.dot(&network.w)
}

/// The direction that pushes the neurons with a_ℓ of sign `sign` and |z_ℓ| < `width` over their kinks, so that their changes of ∇f add up.
fn over_kinks(network: &Network, width: f64, sign: f64) -> Array1<f64> {
    let push = |(z, a): (&f64, &f64)| if a * sign > 0.0 && z.abs() < width { -z.signum() } else { 0.0 };
    network.w.t().dot(&network.z.iter().zip(&network.a).map(push).collect::<Array1<f64>>())
}

/// The t at which flipping all neurons with |z_ℓ| < t needs ‖δ‖ = R: there are m = √(2/π) k t of them, and m t²/3 = R².
fn crowd_width(width: f64, radius: f64) -> f64 {
    let density = (2.0 / std::f64::consts::PI).sqrt();
    (3.0 * radius * radius / (density * width)).cbrt()
}

fn smooth_bound(network: &Network, spectral: f64, smoothness: f64, radius: f64) -> f64 {
    spectral * (smoothness * spectral * radius * network.scale()).min(2.0 * network.activation().lipschitz())
}

fn kink_bound(network: &Network, spectral: f64, radius: f64) -> f64 {
    let jump = 1.0 - network.activation().leak().unwrap_or(0.0);
    let mut can_flip: Vec<usize> =
        (0..network.z.len()).filter(|&l| network.z[l].abs() <= radius * norm(network.w.row(l))).collect();
    // For a large submatrix ‖W‖ is a cheap bound.
    let spectral = match 2 * can_flip.len() <= network.z.len() {
        true => spectral_norm(network.w.select(Axis(0), &can_flip).view()),
        false => spectral,
    };
    can_flip.sort_unstable_by(|&a, &b| network.z[a].abs().total_cmp(&network.z[b].abs()));
    let spent = can_flip.iter().scan(0.0, |spent, &l| {
        *spent += network.z[l].powi(2);
        Some(*spent)
    });
    let at_once = spent.take_while(|&spent| spent <= (spectral * radius).powi(2)).count();
    jump * spectral * (at_once as f64).sqrt() * network.scale()
}

/// Upper bound on the largest singular value, 0 without rows: the value, plus a relative 10⁻⁹ for rounding or the tolerance of Lanczos.
fn spectral_norm(matrix: ArrayView2<f64>) -> f64 {
    // A fixed start vector without symmetries.
    let start = |order| Array1::from_shape_fn(order, |i| 0.5 + (i as f64 * 0.754_877_666).fract());
    spectrum::largest_singular_value(matrix, start) * (1.0 + 1e-9)
}

/// ⟨∇f(x) − ∇f(x + δ), v⟩ for fixed δ and v (Lemmas 5 and 7).
pub fn along(network: &Network, delta: ArrayView1<f64>, v: ArrayView1<f64>) -> f64 {
    let there = &network.z + &network.forward(delta);
    (network.gradient(network.z.view()) - network.gradient(there.view())).dot(&v)
}
