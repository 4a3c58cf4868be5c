//! Step directions p, all of length ‖∇f(x)‖, so that η corresponds to the same distance along each.
//!
//! With s = sign f(x) and g = ∇f(x) without the bias coordinate:
//!
//! | direction | p | source |
//! |---|---|---|
//! | gradient | −s g | the paper's step |
//! | sign | −s ‖g‖ sign(g)/‖sign(g)‖ | the fast gradient sign method, Goodfellow et al. (2015) |
//! | universal | −s ‖g‖ σ v/‖v‖, v the gradient of the network with ψ = identity, σ = sign⟨v, g⟩ | the paper, section 1.1: v = Σ a_l w_l |
//! | random | ‖g‖ e, e uniform on the unit sphere | a control |
//!
//! At depth 2 and more v = W₁ᵀ … W_Lᵀ a, the gradient with every ψ' replaced by 1; it is the same for all inputs. σ makes the
//! step a descent direction initially and is rarely −1 in wide shallow networks.

use ndarray::{Array1, Array2, ArrayView1};

use crate::kernels::Real;
use crate::model::Direction;
use crate::network::Differentiated;
use crate::random::NetworkStreams;

/// p = −sign(f)·∇f, n × d.
pub fn descent<T: Real>(value: &[f64], mut gradient: Array2<T>) -> Array2<T> {
    for (mut row, value) in gradient.rows_mut().into_iter().zip(value) {
        if *value > 0.0 {
            row.mapv_inplace(|g| -g);
        }
    }
    gradient
}

/// Sets the last column, the bias coordinate, to 0.
pub fn zero_bias<T: Real>(directions: &mut Array2<T>) {
    let last = directions.ncols() - 1;
    directions.column_mut(last).fill(T::zero());
}

/// p for each input, n × d; 0 where the gradient is 0. `gradient` is g, n × d, and `norm` ‖g‖.
pub fn steps<T: Real>(
    network: &mut impl Differentiated<T>,
    direction: Direction,
    value: &[f64],
    gradient: &Array2<T>,
    norm: &[f64],
    bias: bool,
    streams: NetworkStreams,
) -> Array2<T> {
    let mut steps = match direction {
        Direction::Gradient => return descent(value, gradient.clone()),
        Direction::Descent | Direction::Nearest => unreachable!("its lines are not known beforehand"),
        Direction::Sign => gradient.mapv(|g| T::of_f64(if g == T::zero() { 0.0 } else { g.to_f64().signum() })),
        Direction::Universal => universal(network, gradient, bias),
        Direction::Random => random(gradient.dim(), streams, bias),
    };
    let is_downhill_of_gradient = direction != Direction::Random;
    for ((mut row, norm), value) in steps.rows_mut().into_iter().zip(norm).zip(value) {
        let length = dot(row.view(), row.view()).sqrt();
        let sign = if is_downhill_of_gradient && *value > 0.0 { -1.0 } else { 1.0 };
        let scale = if length > 0.0 { sign * norm / length } else { 0.0 };
        row.mapv_inplace(|p| T::of_f64(p.to_f64() * scale));
    }
    steps
}

/// σ v for each gradient, n × d, not normalised.
fn universal<T: Real>(network: &mut impl Differentiated<T>, gradient: &Array2<T>, bias: bool) -> Array2<T> {
    let mut linear = network.linear_gradient();
    if bias {
        zero_bias(&mut linear);
    }
    let linear = linear.row(0);
    let mut steps = Array2::from_elem(gradient.dim(), T::zero());
    for (mut row, g) in steps.rows_mut().into_iter().zip(gradient.rows()) {
        row.assign(&linear);
        if dot(g, linear) < 0.0 {
            row.mapv_inplace(|v| -v);
        }
    }
    steps
}

/// Uniform on the unit sphere, excluding the bias coordinate if there is one; n × d.
fn random<T: Real>((inputs, dim): (usize, usize), streams: NetworkStreams, bias: bool) -> Array2<T> {
    let mut numbers = vec![0.0_f32; dim - usize::from(bias)];
    let mut steps = Array2::from_elem((inputs, dim), T::zero());
    for (input, mut row) in steps.rows_mut().into_iter().enumerate() {
        streams.direction(input, &mut numbers);
        row.iter_mut().zip(&numbers).for_each(|(p, number)| *p = T::of_f32(*number));
    }
    steps
}

/// φ'(0) = s·⟨g, p⟩ for each input.
pub fn slopes<T: Real>(value: &[f64], gradient: &Array2<T>, steps: &Array2<T>) -> Vec<f64> {
    let slope: Array1<f64> = gradient.rows().into_iter().zip(steps.rows()).map(|(g, p)| dot(g, p)).collect();
    slope.iter().zip(value).map(|(slope, value)| if *value > 0.0 { *slope } else { -slope }).collect()
}

fn dot<T: Real>(a: ArrayView1<T>, b: ArrayView1<T>) -> f64 {
    a.iter().zip(b).map(|(a, b)| a.to_f64() * b.to_f64()).sum()
}
