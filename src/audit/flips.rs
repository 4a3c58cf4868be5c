//! Sign changes of neurons: the two probabilities of Lemma 6, counted over neurons and in closed form.

use ndarray::{ArrayView1, ArrayView2};

/// Number of neurons with an event, of how many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub happened: u64,
    pub of: u64,
}

/// Neurons (rows of `weights`, k × d) with sign(w·x) ≠ sign(w·(x + δ)): the event of (32).
pub fn flips(weights: ArrayView2<f64>, x: ArrayView1<f64>, delta: ArrayView1<f64>) -> Count {
    let (z, moved) = (weights.dot(&x), weights.dot(&(&x + &delta)));
    let happened = z.iter().zip(&moved).filter(|(z, moved)| (**z > 0.0) != (**moved > 0.0)).count();
    Count { happened: happened as u64, of: z.len() as u64 }
}

/// Neurons for which some δ' with ‖δ' − δ‖ ≤ `epsilon` has sign(w·(x + δ')) ≠ sign(w·(x + δ)): the event of (33). Such a δ' exists
/// exactly when |w·(x + δ)| ≤ ε‖w‖ (take δ' − δ along w).
pub fn flips_nearby(weights: ArrayView2<f64>, x: ArrayView1<f64>, delta: ArrayView1<f64>, epsilon: f64) -> Count {
    let moved = weights.dot(&(&x + &delta));
    let is_near = |(row, &z): (ArrayView1<f64>, &f64)| z.abs() <= epsilon * row.dot(&row).sqrt();
    let happened = weights.rows().into_iter().zip(&moved).filter(|&(row, z)| is_near((row, z))).count();
    Count { happened: happened as u64, of: moved.len() as u64 }
}

/// P(sign(w·x) ≠ sign(w·(x + δ))) for Gaussian w: ∠(x, x + δ)/π.
pub fn flip_probability(x: ArrayView1<f64>, delta: ArrayView1<f64>) -> f64 {
    let y = &x + &delta;
    let cosine = x.dot(&y) / (x.dot(&x) * y.dot(&y)).sqrt();
    cosine.clamp(-1.0, 1.0).acos() / std::f64::consts::PI
}

/// Its maximum over ‖δ‖ ≤ R at ‖x‖ = √d: asin(R/√d)/π, for δ ⊥ x + δ; 1 for R ≥ √d.
pub fn largest_flip_probability(radius: f64, dim: usize) -> f64 {
    let sine = radius / (dim as f64).sqrt();
    if sine < 1.0 { sine.asin() / std::f64::consts::PI } else { 1.0 }
}

/// The maximising δ of norm R < √d, in the plane of x and `beside` (not parallel to x).
pub fn worst_move(x: ArrayView1<f64>, beside: ArrayView1<f64>, radius: f64) -> ndarray::Array1<f64> {
    let norm = x.dot(&x).sqrt();
    let sine = (radius / norm).min(1.0);
    let across = &beside - &(&x * (x.dot(&beside) / (norm * norm)));
    let across = super::hessian::scaled_to(across.view(), 1.0);
    // x + δ = √(‖x‖² − R²)·(cos θ x̂ + sin θ â), sin θ = R/‖x‖.
    let cosine = (1.0 - sine * sine).sqrt();
    &x * (cosine * cosine - 1.0) + across * (norm * cosine * sine)
}
