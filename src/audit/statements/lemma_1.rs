//! Lemma 1: |f(x)| is bounded, by Bernstein's inequality.
//!
//! The lemma holds for any σ and c with E|ψ(X)|^q ≤ (q!/2) σ² c^(q−2) for all q ≥ 2, X ~ N(0, 1). The paper uses |ψ(z)| ≤ |z|, which gives σ = c = 1
//! (σ = c = λ for Lipschitz constant λ). The best choice for wide networks is σ² = E ψ(X)² with the smallest valid c.

use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::model::Activation;

pub struct Lemma1;

impl Statement for Lemma1 {
    fn id(&self) -> &'static str {
        "lemma-1"
    }

    fn citation(&self) -> &'static str {
        "Lemma 1, section 1.4"
    }

    fn claim(&self) -> &'static str {
        "|f(x)| ≤ √(2σ² log 1/γ) + c log(1/γ)/√k"
    }

    fn cost(&self, setting: &Setting) -> f64 {
        20.0 * setting.k()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["|f(x)|".to_string()]
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        vec![network.value_at_input().abs()]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let Setting { activation, .. } = measured.setting;
        let log = (1.0 / gamma).ln();
        let bound = |sigma: f64, c: f64| (2.0 * sigma * sigma * log).sqrt() + c * log / measured.setting.k().sqrt();
        let lipschitz = activation.lipschitz();
        let sharp = (activation.value_second_moment().sqrt(), least_c(activation));
        let x = measured.column(0);
        let entry =
            |part: &str, (sigma, c): (f64, f64)| Claim::of(measured, gamma, "|f(x)|").part(part).at_most(&x, bound(sigma, c));
        vec![entry("σ = c = Lipschitz constant", (lipschitz, lipschitz)), entry("σ² = E ψ²", sharp)]
    }
}

/// The least c of σ² = E ψ(X)²: the supremum over q ≥ 3 of (2 E|ψ(X)|^q/(q! σ²))^(1/(q−2)).
fn least_c(activation: Activation) -> f64 {
    // By |ψ(z)| ≤ λ|z| the terms eventually decrease like √(e/q); the maximum is far below q = 40.
    let variance = activation.value_second_moment();
    let term = |q: u32| {
        let factorial: f64 = (1..=q).map(f64::from).product();
        (2.0 * absolute_moment(activation, q) / (factorial * variance)).powf(1.0 / f64::from(q - 2))
    };
    (3..=40).map(term).fold(0.0, f64::max)
}

/// E|ψ(X)|^q, X ~ N(0, 1), by the trapezoidal rule on [−14, 14].
fn absolute_moment(activation: Activation, q: u32) -> f64 {
    const STEP: f64 = 1e-2;
    let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
    let term = |i: i32| {
        let x = STEP * f64::from(i);
        activation.value(x).abs().powi(q as i32) * density(x)
    };
    STEP * (-1400..=1400).map(term).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_relu_are_half_those_of_the_normal_law() {
        // E|X|^q = (q − 1)!! for even q.
        let double_factorial = |q: u32| (1..q).step_by(2).map(f64::from).product::<f64>();
        for q in [2, 4, 6, 20, 40] {
            let exact = 0.5 * double_factorial(q);
            assert!((absolute_moment(Activation::Relu, q) / exact - 1.0).abs() < 1e-9, "{q}");
        }
    }

    #[test]
    fn bernstein_s_condition_holds_with_the_least_c_and_fails_with_less() {
        for activation in Activation::ALL {
            let (variance, c) = (activation.value_second_moment(), least_c(activation));
            let holds = |c: f64| {
                (3..=40_u32).all(|q| {
                    let factorial: f64 = (1..=q).map(f64::from).product();
                    absolute_moment(activation, q) <= factorial / 2.0 * variance * c.powi(q as i32 - 2) * (1.0 + 1e-9)
                })
            };
            assert!(holds(c) && !holds(0.99 * c), "{}: {c}", activation.name());
            assert!(c <= activation.lipschitz() * 1.001, "{}: {c}", activation.name());
        }
    }
}
