//! Any ψ over a row of pre-activations: values, derivatives, readout, and f along a line.
//!
//! ReLU uses the vector loops of [`relu`]. Other ψ are evaluated in scalar f64, in loops compiled per ψ so that none branches on it; sums run in
//! f64 in neuron order. libm dominates, memory traffic does not matter: tanh 0.11, erf 0.13, softplus 0.06, GELU 0.18 × 10⁹ neurons/s.

use super::line::LineRow;
use super::{Real, relu};
use crate::model::Activation;
use crate::model::activation::{Function, with_function};

/// Replaces each z by ψ(z).
pub fn apply<T: Real>(psi: Activation, z: &mut [T]) {
    fn with<F: Function, T: Real>(z: &mut [T]) {
        for z in z {
            *z = T::of_f64(F::value(z.to_f64()));
        }
    }
    match psi {
        Activation::Relu => relu::relu(z),
        psi => with_function!(psi, F => with::<F, T>(z)),
    }
}

/// Σ_j a_j ψ(z_j), in f64. Replaces each z_j by a_j ψ'(z_j).
pub fn readout_and_slope<T: Real>(psi: Activation, a: &[T], z: &mut [T]) -> f64 {
    fn with<F: Function, T: Real>(a: &[T], z: &mut [T]) -> f64 {
        assert_eq!(a.len(), z.len());
        let mut sum = 0.0;
        for (a, z) in a.iter().zip(z) {
            let (value, derivative) = F::value_and_derivative(z.to_f64());
            sum += a.to_f64() * value;
            *z = T::of_f64(a.to_f64() * derivative);
        }
        sum
    }
    match psi {
        Activation::Relu => relu::readout_and_mask(a, z),
        psi => with_function!(psi, F => with::<F, T>(a, z)),
    }
}

/// Σ_j a_j ψ(z_j), in f64, bitwise as [`readout_and_slope`].
pub fn readout<T: Real>(psi: Activation, a: &[T], z: &[T]) -> f64 {
    fn with<F: Function, T: Real>(a: &[T], z: &[T]) -> f64 {
        assert_eq!(a.len(), z.len());
        a.iter().zip(z).fold(0.0, |sum, (a, z)| sum + a.to_f64() * F::value(z.to_f64()))
    }
    match psi {
        Activation::Relu => relu::readout(a, z),
        psi => with_function!(psi, F => with::<F, T>(a, z)),
    }
}

/// Σ_j a_j h_j for h = ψ(z), in f64.
pub fn readout_of_values<T: Real>(psi: Activation, a: &[T], h: &[T]) -> f64 {
    match psi {
        Activation::Relu => relu::readout(a, h), // ψ(h) = h
        _ => a.iter().zip(h).fold(0.0, |sum, (a, h)| sum + a.to_f64() * h.to_f64()),
    }
}

/// g_j ← g_j ψ'(z_j). For ReLU `z` may also hold ψ(z), whose sign pattern is the same.
pub fn scale_gradient<T: Real>(psi: Activation, z: &[T], g: &mut [T]) {
    fn with<F: Function, T: Real>(z: &[T], g: &mut [T]) {
        assert_eq!(z.len(), g.len());
        for (z, g) in z.iter().zip(g) {
            *g = *g * T::of_f64(F::value_and_derivative(z.to_f64()).1);
        }
    }
    match psi {
        Activation::Relu => relu::mask_gradient(z, g),
        psi => with_function!(psi, F => with::<F, T>(z, g)),
    }
}

/// `out` = ψ(z + t·u): the first hidden layer at point t of the line.
pub fn apply_on_line<T: Real>(psi: Activation, z: &[T], u: &[T], t: T, out: &mut [T]) {
    fn with<F: Function, T: Real>(z: &[T], u: &[T], t: T, out: &mut [T]) {
        assert!(z.len() == u.len() && u.len() == out.len());
        for ((z, u), out) in z.iter().zip(u).zip(out) {
            *out = T::of_f64(F::value((*z + t * *u).to_f64()));
        }
    }
    match psi {
        Activation::Relu => relu::relu_on_line(z, u, t, out),
        psi => with_function!(psi, F => with::<F, T>(z, u, t, out)),
    }
}

/// s·Σ a ψ(z + t u) and its derivative in t, in f64.
pub fn value_and_slope_at<T: Real>(psi: Activation, row: LineRow<T>, t: f64) -> (f64, f64) {
    fn with<F: Function, T: Real>(row: LineRow<T>, t: f64) -> (f64, f64) {
        let LineRow { z, u, a, sign } = row;
        assert!(z.len() == u.len() && u.len() == a.len());
        let (mut values, mut slopes) = (0.0, 0.0);
        for ((z, u), a) in z.iter().zip(u).zip(a) {
            let (u, a) = (u.to_f64(), a.to_f64());
            let (value, derivative) = F::value_and_derivative(z.to_f64() + t * u);
            values += a * value;
            slopes += a * u * derivative;
        }
        (sign * values, sign * slopes)
    }
    with_function!(psi, F => with::<F, T>(row, t))
}

/// Σ |a| u², in f64. Times sup |ψ''| it bounds the second derivative along the line.
pub fn curvature_mass<T: Real>(row: LineRow<T>) -> f64 {
    row.u.iter().zip(row.a).map(|(u, a)| a.to_f64().abs() * u.to_f64() * u.to_f64()).sum()
}

/// (s Σ a z, s Σ a u), in f64: value and slope with the identity for ψ.
pub fn linear_value_and_slope<T: Real>(row: LineRow<T>) -> (f64, f64) {
    let dot = |x: &[T]| row.a.iter().zip(x).map(|(a, x)| a.to_f64() * x.to_f64()).sum::<f64>();
    (row.sign * dot(row.z), row.sign * dot(row.u))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_agree_with_single_numbers() {
        let z: Vec<f64> = (0..101).map(|i| f64::from(i) * 0.07 - 3.1).collect();
        let u: Vec<f64> = (0..101).map(|i| f64::from(i * 37 % 101) * 0.02 - 1.0).collect();
        let a: Vec<f64> = (0..101).map(|i| f64::from(i * 53 % 101) * 0.03 - 1.5).collect();
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        for psi in Activation::ALL {
            let values: Vec<f64> = z.iter().map(|&z| psi.value(z)).collect();
            let slopes: Vec<f64> = z.iter().map(|&z| psi.derivative(z)).collect();
            let mut h = z.clone();
            apply(psi, &mut h);
            assert_eq!(h, values, "{}", psi.name());
            let mut masked = z.clone();
            let sum = readout_and_slope(psi, &a, &mut masked);
            assert!((sum - dot(&a, &values)).abs() < 1e-12 && sum == readout(psi, &a, &z), "{}", psi.name());
            assert!(masked.iter().zip(a.iter().zip(&slopes)).all(|(got, (a, slope))| *got == a * slope));
            let mut g = a.clone();
            scale_gradient(psi, &z, &mut g);
            assert_eq!(g, masked);
            let mut on_line = vec![0.0; z.len()];
            apply_on_line(psi, &z, &u, 0.3, &mut on_line);
            let there: Vec<f64> = z.iter().zip(&u).map(|(z, u)| z + 0.3 * u).collect();
            let expected: Vec<f64> = there.iter().map(|&z| psi.value(z)).collect();
            assert_eq!(on_line, expected);
            let row = LineRow { z: &z[..], u: &u[..], a: &a[..], sign: -1.0 };
            let (value, slope) = value_and_slope_at(psi, row, 0.3);
            let steep: Vec<f64> = there.iter().zip(&u).map(|(&z, u)| u * psi.derivative(z)).collect();
            assert!((value + dot(&a, &expected)).abs() < 1e-12 && (slope + dot(&a, &steep)).abs() < 1e-12);
        }
    }
}
