//! A certified lower bound on the distance from an input to the nearest point at which f loses its sign, in any direction; one hidden layer,
//! piecewise linear ψ.
//!
//! Let s = sign f(x) and z = Wx. Within ‖δ‖ ≤ R, f is its linear part at x plus a hinge for every neuron that can change its piece,
//!
//!   s f(x + δ) = |f(x)| + s ∇f·δ + Σ_i s κ a_i/√k · (v_i − |z_i|)₊,   v_i = −sign(z_i) w_i·δ,   κ = ψ'(0+) − ψ'(0−).
//!
//! Hinges with s a_i > 0 only help and are dropped. For the others (v − |z|)₊ ≤ (v − |z| + T)²/(4T) for any T > 0; with T = max(τ, |z|) the sum is a
//! quadratic form,
//!
//!   s f(x + δ) ≥ F − b·δ − δᵀMδ,
//!
//! and by weak duality b·δ + δᵀMδ ≤ μ‖δ‖² + ¼ bᵀ(μI − M)⁻¹b for every μ > λ_max(M). So f keeps its sign for ‖δ‖² < (F − ¼ bᵀ(μI − M)⁻¹b)/μ and
//! ‖δ‖ ≤ R. The bound is maximised over μ (quasiconcave), τ and R. It holds for the network as stored, whose weights are exact in f64, up to the
//! rounding of f64, for which [`MARGIN`] is taken off.

use ndarray::{Array2, ArrayView1};

use crate::kernels::Real;
use crate::linalg::matmul;
use crate::linalg::tridiagonal::Tridiagonal;

/// Taken off for rounding, relative.
const MARGIN: f64 = 1e-9;
/// τ relative to the root mean square of z: end points of a golden-section search on a logarithmic scale, and its evaluations.
const SMALLEST_TAU: f64 = 1e-3;
const LARGEST_TAU: f64 = 4.0;
const TAUS: usize = 12;
/// Evaluations of the golden-section search over μ.
const SHIFTS: usize = 60;
/// Radii R tried after the first.
const RADII: usize = 4;
/// Quadratic forms per input, at most: the cost of a certificate.
pub const FORMS: usize = TAUS + RADII;

/// Peak bytes of certifying the inputs of a network with `width` neurons of `dim` inputs, besides the network: W in f64, the rows that a form is made of,
/// twice, and the form.
pub fn bytes(dim: f64, width: f64) -> f64 {
    8.0 * (3.0 * dim * width + 2.0 * dim * dim)
}

/// A network with one hidden layer, as the certificate needs it.
pub struct Certifier {
    /// W, k × d; without the column of a bias unit, which a step does not change.
    w: Array2<f64>,
    /// The column of the bias unit, length k; empty without one.
    bias: Vec<f64>,
    /// a_i/√k.
    readout: Vec<f64>,
    /// ‖w_i‖.
    row_norms: Vec<f64>,
    /// Slope of ψ below 0; above it is 1.
    leak: f64,
}

/// The majorant of the hinges at one τ and R.
struct Majorant {
    /// F.
    value: f64,
    /// M with b.
    form: Tridiagonal,
}

impl Certifier {
    /// From W, k × d, and a, length k; the last column of W belongs to a bias unit if `bias`.
    pub fn new<T: Real>(w: &Array2<T>, readout: &[T], leak: f64, bias: bool) -> Self {
        let coordinates = w.ncols() - usize::from(bias);
        let exact = w.slice(ndarray::s![.., ..coordinates]).mapv(|w| w.to_f64());
        let scale = 1.0 / (w.nrows() as f64).sqrt();
        Self {
            bias: if bias { w.column(coordinates).iter().map(|w| w.to_f64()).collect() } else { Vec::new() },
            readout: readout.iter().map(|a| scale * a.to_f64()).collect(),
            row_norms: exact.rows().into_iter().map(|row| dot(row, row).sqrt()).collect(),
            w: exact,
            leak,
        }
    }

    /// A distance from `x`, length d (with the bias unit), below which f certainly keeps the sign `sign` it has at x; at most `limit`. 0 if nothing
    /// can be certified.
    pub fn distance<T: Real>(&self, x: ArrayView1<T>, sign: f64, limit: f64) -> f64 {
        let x: Vec<f64> = x.iter().map(|x| x.to_f64()).collect();
        let movable = ArrayView1::from(&x[..self.w.ncols()]);
        let mut z: Vec<f64> = self.w.rows().into_iter().map(|row| dot(row, movable)).collect();
        if let Some(unit) = x.get(self.w.ncols()) {
            z.iter_mut().zip(&self.bias).for_each(|(z, bias)| *z += bias * unit);
        }
        let slope = |z: f64| if z > 0.0 { 1.0 } else { self.leak };
        let value = sign * self.readout.iter().zip(&z).map(|(a, &z)| a * slope(z) * z).sum::<f64>();
        let mut gradient = vec![0.0; self.w.ncols()];
        for ((row, a), &z) in self.w.rows().into_iter().zip(&self.readout).zip(&z) {
            add_scaled(&mut gradient, sign * a * slope(z), row);
        }
        let scale = (z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64).sqrt();
        if value.is_nan() || value <= 0.0 || scale == 0.0 {
            return 0.0;
        }
        let at =
            |log_tau: f64, radius: f64| self.majorant(&z, value, &gradient, sign, scale * libm::exp(log_tau), radius).distance();
        let (log_tau, first) = golden_section(libm::log(SMALLEST_TAU), libm::log(LARGEST_TAU), TAUS, |log_tau| at(log_tau, limit));
        // A smaller R has fewer hinges; a distance found with it holds up to R.
        let (mut certified, mut radius) = (first.min(limit), limit);
        for _ in 0..RADII {
            if certified >= radius {
                break;
            }
            radius = 0.5 * (certified + radius);
            certified = certified.max(at(log_tau, radius).min(radius));
        }
        (1.0 - MARGIN) * certified
    }

    /// The majorant at τ = `tau` for ‖δ‖ ≤ `radius`. `gradient` is s∇f, and `value` |f|.
    fn majorant(&self, z: &[f64], value: f64, gradient: &[f64], sign: f64, tau: f64, radius: f64) -> Majorant {
        let harms = |i: usize| sign * self.readout[i] * (1.0 - self.leak) < 0.0 && z[i].abs() < radius * self.row_norms[i];
        let neurons: Vec<usize> = (0..z.len()).filter(|&i| harms(i)).collect();
        let mut b: Vec<f64> = gradient.iter().map(|g| -g).collect();
        let mut rows = Array2::zeros((neurons.len(), self.w.ncols()));
        let mut lost = 0.0;
        for (mut row, &i) in rows.rows_mut().into_iter().zip(&neurons) {
            let weight = self.readout[i].abs() * (1.0 - self.leak);
            let size = tau.max(z[i].abs());
            let excess = size - z[i].abs();
            lost += weight * excess * excess / (4.0 * size);
            let towards = if z[i] > 0.0 { -1.0 } else { 1.0 };
            add_scaled(&mut b, towards * weight * excess / (2.0 * size), self.w.row(i));
            let root = (weight / (4.0 * size)).sqrt();
            row.iter_mut().zip(self.w.row(i)).for_each(|(entry, w)| *entry = root * w);
        }
        let columns = rows.reversed_axes().as_standard_layout().into_owned();
        let matrix = match neurons.is_empty() {
            true => Array2::zeros((b.len(), b.len())),
            false => matmul::with_transposed(columns.view(), columns.view()),
        };
        Majorant { value: value - lost, form: Tridiagonal::of(matrix, b) }
    }
}

impl Majorant {
    /// The largest r with b·δ + δᵀMδ < F for all ‖δ‖ < r, by duality; 0 if F ≤ 0.
    fn distance(&self) -> f64 {
        if self.value <= 0.0 {
            return 0.0;
        }
        let squared = |shift: f64| match self.form.quadratic_form(shift) {
            Some(form) => ((self.value - 0.25 * form) / shift).max(0.0),
            // Below λ_max: the bound increases towards it.
            None => shift - self.form.largest_at_most(),
        };
        let square = dot_slices(&self.form.vector, &self.form.vector);
        let from = self.form.diagonal.iter().copied().fold(0.0, f64::max) + f64::MIN_POSITIVE;
        let to = self.form.largest_at_most().max(0.0) + square / self.value + f64::MIN_POSITIVE;
        golden_section(from, to, SHIFTS, squared).1.max(0.0).sqrt()
    }
}

/// The place and value of the largest of `evaluations` values of a quasiconcave function on [`low`, `high`].
fn golden_section(mut low: f64, mut high: f64, evaluations: usize, of: impl Fn(f64) -> f64) -> (f64, f64) {
    const RATIO: f64 = 0.618_033_988_749_894_9;
    let mut left = high - RATIO * (high - low);
    let mut right = low + RATIO * (high - low);
    let (mut at_left, mut at_right) = (of(left), of(right));
    let mut best = if at_left > at_right { (left, at_left) } else { (right, at_right) };
    for _ in 2..evaluations {
        if at_left > at_right {
            (high, right, at_right) = (right, left, at_left);
            left = high - RATIO * (high - low);
            at_left = of(left);
            best = if at_left > best.1 { (left, at_left) } else { best };
        } else {
            (low, left, at_left) = (left, right, at_right);
            right = low + RATIO * (high - low);
            at_right = of(right);
            best = if at_right > best.1 { (right, at_right) } else { best };
        }
    }
    best
}

fn dot(a: ArrayView1<f64>, b: ArrayView1<f64>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn dot_slices(a: &[f64], b: &[f64]) -> f64 {
    dot(ArrayView1::from(a), ArrayView1::from(b))
}

fn add_scaled(to: &mut [f64], factor: f64, row: ArrayView1<f64>) {
    to.iter_mut().zip(row).for_each(|(to, row)| *to += factor * row);
}
