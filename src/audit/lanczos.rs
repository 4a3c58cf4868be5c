//! Extreme eigenvalues of a symmetric operator, matrix-free (Lanczos 1950, with full reorthogonalisation).

use ndarray::{Array1, ArrayView1};

use super::network::norm;

/// The smallest and the largest eigenvalue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extremes {
    pub low: f64,
    pub high: f64,
    /// Operator applications.
    pub products: usize,
}

impl Extremes {
    /// The operator norm, max |λ|.
    pub fn norm(&self) -> f64 {
        self.high.abs().max(self.low.abs())
    }
}

/// Extreme eigenvalues of the operator `apply`, from start vector `start` (not 0). Stops when neither has moved by more than `tolerance` times the
/// norm over three steps, or when the Krylov space is exhausted. Ritz values lie inside the spectrum, so they do not bound it.
pub fn extremes(start: ArrayView1<f64>, tolerance: f64, mut apply: impl FnMut(ArrayView1<f64>) -> Array1<f64>) -> Extremes {
    let n = start.len();
    let mut basis: Vec<Array1<f64>> = vec![&start / norm(start)];
    let (mut diagonal, mut beside): (Vec<f64>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut history: Vec<(f64, f64)> = Vec::new();
    loop {
        let last = basis.last().expect("the start is there");
        let mut next = apply(last.view());
        diagonal.push(last.dot(&next));
        // Twice is enough (Kahan & Parlett).
        for _ in 0..2 {
            for vector in &basis {
                let along = vector.dot(&next);
                next.scaled_add(-along, vector);
            }
        }
        let rest = norm(next.view());
        let (low, high) = ends(&diagonal, &beside);
        let size = high.abs().max(low.abs());
        history.push((low, high));
        let settled = history
            .iter()
            .rev()
            .nth(3)
            .is_some_and(|before| (before.0 - low).abs().max((before.1 - high).abs()) <= tolerance * size);
        if settled || basis.len() == n || rest <= 1e-14 * size || size == 0.0 {
            return Extremes { low, high, products: basis.len() };
        }
        beside.push(rest);
        basis.push(next / rest);
    }
}

/// Extreme eigenvalues of a symmetric tridiagonal matrix, by bisection on the Sturm count.
fn ends(diagonal: &[f64], beside: &[f64]) -> (f64, f64) {
    let n = diagonal.len();
    let off = |i: usize| beside.get(i).map_or(0.0, |b| b.abs());
    let reach = |i: usize| if i == 0 { off(0) } else { off(i - 1) + if i + 1 < n { off(i) } else { 0.0 } };
    let reach = |i: usize| if n == 1 { 0.0 } else { reach(i) };
    let floor = (0..n).map(|i| diagonal[i] - reach(i)).fold(f64::INFINITY, f64::min);
    let ceiling = (0..n).map(|i| diagonal[i] + reach(i)).fold(f64::NEG_INFINITY, f64::max);
    let below = |x: f64| {
        let mut pivot = 1.0;
        let mut count = 0;
        for i in 0..n {
            let coupling = if i == 0 { 0.0 } else { beside[i - 1] * beside[i - 1] / pivot };
            pivot = diagonal[i] - x - coupling;
            if pivot == 0.0 {
                pivot = f64::MIN_POSITIVE;
            }
            count += usize::from(pivot < 0.0);
        }
        count
    };
    // The largest x with at most `count` eigenvalues below it.
    let find = |count: usize| {
        let (mut low, mut high) = (floor, ceiling);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if middle <= low || middle >= high {
                break;
            }
            match below(middle) > count {
                true => high = middle,
                false => low = middle,
            }
        }
        0.5 * (low + high)
    };
    (find(0), find(n - 1))
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    #[test]
    fn a_small_matrix_is_solved_exactly() {
        // The second difference on n points has the eigenvalues 2 − 2 cos(πj/(n + 1)).
        let n = 40;
        let matrix = Array2::from_shape_fn((n, n), |(i, j)| [2.0, -1.0, 0.0][i.abs_diff(j).min(2)]);
        let start = Array1::from_shape_fn(n, |i| 1.0 + (i as f64).sin());
        let Extremes { low, high, .. } = extremes(start.view(), 0.0, |v| matrix.dot(&v));
        let exact = |j: usize| 2.0 - 2.0 * (std::f64::consts::PI * j as f64 / (n + 1) as f64).cos();
        assert!((low - exact(1)).abs() < 1e-11 && (high - exact(n)).abs() < 1e-11, "{low} {high}");
    }

    #[test]
    fn degenerate_operators_end_at_once() {
        let start = Array1::from(vec![3.0, 4.0, 0.0]);
        assert_eq!(extremes(start.view(), 1e-9, |v| Array1::zeros(v.len())), Extremes { low: 0.0, high: 0.0, products: 1 });
        let identity = extremes(start.view(), 1e-9, |v| v.to_owned());
        assert!((identity.norm() - 1.0).abs() < 1e-12 && identity.products == 1);
    }
}
