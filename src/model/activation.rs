//! Activations ψ: values, derivatives, and the constants in the paper's statements.
//!
//! Theorem 1 holds for non-constant Lipschitz ψ with Lipschitz derivative; section 2 gives constants for Lipschitz constant 1, |ψ''| ≤ L and
//! ψ(0) = 0, in terms of c_ψ² = E ψ'(X)², X ~ N(0, 1). Theorem 2 is for ReLU.
//!
//! | ψ | formula | Lipschitz | L = sup ǀψ''ǀ | c_ψ² | ψ(0) | E ψ(X) | homogeneous |
//! |---|---|---|---|---|---|---|---|
//! | relu | max(z, 0) | 1 | none | 1/2 | 0 | 1/√(2π) | yes |
//! | leaky-relu | max(z, αz), α = 0.01 | 1 | none | (1 + α²)/2 | 0 | (1 − α)/√(2π) | yes |
//! | tanh | tanh z | 1 | 4/(3√3) | 0.4644 | 0 | 0 | no |
//! | erf | erf z | 2/√π | √(8/(πe)) | 4/(π√5) | 0 | 0 | no |
//! | softplus | ln(1 + eᶻ) − ln 2 | 1 | 1/4 | 0.2934 | 0 | 0.1129 | no |
//! | gelu | z Φ(z) | 1.1289 | √(2/π) | 1/3 + 2/(3π√3) | 0 | 1/(2√π) | no |
//! | silu | z/(1 + e⁻ᶻ) | 1.0998 | 1/2 | 0.3795 | 0 | 0.2066 | no |
//! | sine | sin z | 1 | 1 | (1 + e⁻²)/2 | 0 | 0 | no |
//!
//! A Lipschitz constant above 1 (erf, gelu, silu) changes the constants of section 2, not the theorem. Odd ψ are centred: E ψ(X) = 0. With sign
//! readout E f = 0 for every ψ.
//!
//! Values are computed in f64 with the `libm` crate, bitwise the same on every machine.

use serde::{Deserialize, Serialize};

/// Slope of leaky ReLU below 0.
pub const LEAK: f64 = 0.01;

/// The function ψ of every neuron.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(z, 0), the paper's experiments.
    Relu,
    /// max(z, 0.01 z).
    LeakyRelu,
    Tanh,
    /// erf z.
    Erf,
    /// ln(1 + eᶻ) − ln 2.
    Softplus,
    /// z times the normal distribution function.
    Gelu,
    /// z/(1 + e⁻ᶻ).
    Silu,
    /// sin z.
    Sine,
}

/// A ψ as a type, so that loops are monomorphised per ψ.
pub trait Function {
    /// ψ(z).
    fn value(z: f64) -> f64;
    /// (ψ(z), ψ'(z)), sharing work.
    fn value_and_derivative(z: f64) -> (f64, f64);
    /// ψ''(z) where it exists.
    fn second_derivative(z: f64) -> f64;
}

/// Evaluates `$body` with the type alias `$function` for the [`Function`] of `$activation`: one branch, outside any loop in `$body`.
macro_rules! with_function {
    ($activation:expr, $function:ident => $body:expr) => {{
        use $crate::model::activation::{self as functions, Activation};
        match $activation {
            Activation::Relu => {
                type $function = functions::Relu;
                $body
            }
            Activation::LeakyRelu => {
                type $function = functions::LeakyRelu;
                $body
            }
            Activation::Tanh => {
                type $function = functions::Tanh;
                $body
            }
            Activation::Erf => {
                type $function = functions::Erf;
                $body
            }
            Activation::Softplus => {
                type $function = functions::Softplus;
                $body
            }
            Activation::Gelu => {
                type $function = functions::Gelu;
                $body
            }
            Activation::Silu => {
                type $function = functions::Silu;
                $body
            }
            Activation::Sine => {
                type $function = functions::Sine;
                $body
            }
        }
    }};
}
pub(crate) use with_function;

impl Activation {
    pub const ALL: [Activation; 8] = [
        Activation::Relu,
        Activation::LeakyRelu,
        Activation::Tanh,
        Activation::Erf,
        Activation::Softplus,
        Activation::Gelu,
        Activation::Silu,
        Activation::Sine,
    ];

    /// The name on the command line, in TOML and in files.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::LeakyRelu => "leaky-relu",
            Activation::Tanh => "tanh",
            Activation::Erf => "erf",
            Activation::Softplus => "softplus",
            Activation::Gelu => "gelu",
            Activation::Silu => "silu",
            Activation::Sine => "sine",
        }
    }

    /// ψ as a NumPy-like formula, for readers of exported files.
    pub fn formula(self) -> &'static str {
        match self {
            Activation::Relu => "max(z, 0)",
            Activation::LeakyRelu => "max(z, 0.01 z)",
            Activation::Tanh => "tanh(z)",
            Activation::Erf => "erf(z)",
            Activation::Softplus => "log(1 + exp(z)) - log(2)",
            Activation::Gelu => "z (1 + erf(z / sqrt(2))) / 2",
            Activation::Silu => "z / (1 + exp(-z))",
            Activation::Sine => "sin(z)",
        }
    }

    /// ψ(z).
    pub fn value(self, z: f64) -> f64 {
        with_function!(self, F => F::value(z))
    }

    /// ψ'(z); at a kink the left slope, as in the engines.
    pub fn derivative(self, z: f64) -> f64 {
        with_function!(self, F => F::value_and_derivative(z).1)
    }

    /// ψ''(z), 0 for a piecewise linear ψ.
    pub fn second_derivative(self, z: f64) -> f64 {
        with_function!(self, F => F::second_derivative(z))
    }

    /// Whether ψ is linear except for a kink at 0; then networks are piecewise linear and ψ(cz) = cψ(z) for c > 0.
    pub fn is_piecewise_linear(self) -> bool {
        self.leak().is_some()
    }

    /// Slope below 0 of a piecewise linear ψ (above 0 it is 1); `None` if smooth.
    pub fn leak(self) -> Option<f64> {
        match self {
            Activation::Relu => Some(0.0),
            Activation::LeakyRelu => Some(LEAK),
            _ => None,
        }
    }

    /// sup |ψ'|: 1 in the paper's (12).
    pub fn lipschitz(self) -> f64 {
        match self {
            Activation::Erf => std::f64::consts::FRAC_2_SQRT_PI,
            Activation::Gelu => 1.128_904_145_185_154_8, // at √2
            Activation::Silu => 1.099_839_320_128_867,   // at 2.3994
            _ => 1.0,
        }
    }

    /// sup |ψ''|, the paper's L in (12); `None` where the derivative is not Lipschitz.
    pub fn smoothness(self) -> Option<f64> {
        match self {
            Activation::Relu | Activation::LeakyRelu => None,
            Activation::Tanh => Some(0.769_800_358_919_501),  // 4/(3√3)
            Activation::Erf => Some(0.967_882_898_076_573_4), // √(8/(πe))
            Activation::Softplus => Some(0.25),
            Activation::Gelu => Some(0.797_884_560_802_865_4), // √(2/π)
            Activation::Silu => Some(0.5),
            Activation::Sine => Some(1.0),
        }
    }

    /// c_ψ² = E ψ'(X)², X ~ N(0, 1) (the paper, section 2): E ‖∇f‖² at depth 1, up to O(1/d).
    pub fn derivative_second_moment(self) -> f64 {
        match self {
            Activation::Relu => 0.5,
            Activation::LeakyRelu => (1.0 + LEAK * LEAK) / 2.0,
            Activation::Tanh => 0.464_402_902_448_268_24,
            Activation::Erf => 0.569_410_034_733_741_6, // 4/(π√5)
            Activation::Softplus => 0.293_379_035_858_092_96,
            Activation::Gelu => 0.455_850_865_649_287_1, // 1/3 + 2/(3π√3)
            Activation::Silu => 0.379_482_351_632_829_3,
            Activation::Sine => 0.567_667_641_618_306_3, // (1 + e⁻²)/2
        }
    }

    /// E ψ(X)², X ~ N(0, 1) (the paper, section 1): the variance of f at depth 1.
    pub fn value_second_moment(self) -> f64 {
        match self {
            Activation::Relu => 0.5,
            Activation::LeakyRelu => (1.0 + LEAK * LEAK) / 2.0,
            Activation::Tanh => 0.394_294_490_397_841_2,
            Activation::Erf => 0.464_559_054_397_539_98, // (2/π) asin(2/3)
            Activation::Softplus => 0.284_263_622_174_041_9,
            Activation::Gelu => 0.425_221_482_570_298_7, // 1/3 + 1/(2π√3)
            Activation::Silu => 0.355_775_519_817_352_16,
            Activation::Sine => 0.432_332_358_381_693_65, // (1 − e⁻²)/2
        }
    }

    /// E ψ(X), X ~ N(0, 1); 0 for the odd ψ, which are centred.
    pub fn value_mean(self) -> f64 {
        const HALF_NORMAL_MEAN: f64 = 0.398_942_280_401_432_7; // 1/√(2π)
        match self {
            Activation::Relu => HALF_NORMAL_MEAN,
            Activation::LeakyRelu => (1.0 - LEAK) * HALF_NORMAL_MEAN,
            Activation::Tanh | Activation::Erf | Activation::Sine => 0.0,
            Activation::Softplus => 0.112_912_002_787_494_47,
            Activation::Gelu => 0.282_094_791_773_878_14, // 1/(2√π)
            Activation::Silu => 0.206_620_964_141_907_04,
        }
    }

    /// Whether E ψ(X) = 0.
    pub fn is_centred(self) -> bool {
        self.value_mean() == 0.0
    }
}

pub struct Relu;
pub struct LeakyRelu;
pub struct Tanh;
pub struct Erf;
pub struct Softplus;
pub struct Gelu;
pub struct Silu;
pub struct Sine;

/// 1/(1 + e⁻ᶻ).
#[inline(always)]
fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-z))
}

/// The standard normal density.
#[inline(always)]
fn normal_density(z: f64) -> f64 {
    0.398_942_280_401_432_7 * libm::exp(-0.5 * z * z)
}

/// The standard normal distribution function.
#[inline(always)]
fn normal_distribution(z: f64) -> f64 {
    0.5 * libm::erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

impl Function for Relu {
    #[inline(always)]
    fn value(z: f64) -> f64 {
        if z <= 0.0 { 0.0 } else { z }
    }
    #[inline(always)]
    fn value_and_derivative(z: f64) -> (f64, f64) {
        (Self::value(z), if z > 0.0 { 1.0 } else { 0.0 })
    }
    fn second_derivative(_: f64) -> f64 {
        0.0
    }
}

impl Function for LeakyRelu {
    #[inline(always)]
    fn value(z: f64) -> f64 {
        if z > 0.0 { z } else { LEAK * z }
    }
    #[inline(always)]
    fn value_and_derivative(z: f64) -> (f64, f64) {
        if z > 0.0 { (z, 1.0) } else { (LEAK * z, LEAK) }
    }
    fn second_derivative(_: f64) -> f64 {
        0.0
    }
}

impl Function for Tanh {
    #[inline(always)]
    fn value(z: f64) -> f64 {
        libm::tanh(z)
    }
    #[inline(always)]
    fn value_and_derivative(z: f64) -> (f64, f64) {
        let value = libm::tanh(z);
        (value, 1.0 - value * value)
    }
    fn second_derivative(z: f64) -> f64 {
        let (value, derivative) = Self::value_and_derivative(z);
        -2.0 * value * derivative
    }
}

impl Function for Erf {
    #[inline(always)]
    fn value(z: f64) -> f64 {
        libm::erf(z)
    }
    #[inline(always)]
    fn value_and_derivative(z: f64) -> (f64, f64) {
        (libm::erf(z), std::f64::consts::FRAC_2_SQRT_PI * libm::exp(-z * z))
    }
    fn second_derivative(z: f64) -> f64 {
        -2.0 * z * Self::value_and_derivative(z).1
    }
}

impl Function for Softplus {
    #[inline(always)]
    fn value(z: f64) -> f64 {
        z.max(0.0) + libm::log1p(libm::exp(-z.abs())) - std::f64::consts::LN_2
    }
    #[inline(always)]
    fn value_and_derivative(z: f64) -> (f64, f64) {
        (Self::value(z), sigmoid(z))
    }
    fn second_derivative(z: f64) -> f64 {
        sigmoid(z) * sigmoid(-z)
    }
}

impl Function for Gelu {
    #[inline(always)]
    fn value(z: f64) -> f64 {
        z * normal_distribution(z)
    }
    #[inline(always)]
    fn value_and_derivative(z: f64) -> (f64, f64) {
        let below = normal_distribution(z);
        (z * below, below + z * normal_density(z))
    }
    fn second_derivative(z: f64) -> f64 {
        (2.0 - z * z) * normal_density(z)
    }
}

impl Function for Silu {
    #[inline(always)]
    fn value(z: f64) -> f64 {
        z * sigmoid(z)
    }
    #[inline(always)]
    fn value_and_derivative(z: f64) -> (f64, f64) {
        let sigma = sigmoid(z);
        (z * sigma, sigma * (1.0 + z * (1.0 - sigma)))
    }
    fn second_derivative(z: f64) -> f64 {
        let sigma = sigmoid(z);
        sigma * sigmoid(-z) * (2.0 + z * (1.0 - 2.0 * sigma))
    }
}

impl Function for Sine {
    #[inline(always)]
    fn value(z: f64) -> f64 {
        libm::sin(z)
    }
    #[inline(always)]
    fn value_and_derivative(z: f64) -> (f64, f64) {
        libm::sincos(z)
    }
    fn second_derivative(z: f64) -> f64 {
        -libm::sin(z)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// −14..14 in steps that do not hit the kink.
    fn points() -> impl Iterator<Item = f64> {
        (0..28_000).map(|i| -14.0 + 1e-3 * f64::from(i) + 3.3e-4)
    }

    /// E g(X) by the trapezoidal rule, which is exact beyond rounding for smooth g and right to 10⁻⁷ at a kink.
    fn normal_mean(g: impl Fn(f64) -> f64) -> f64 {
        points().map(|x| g(x) * normal_density(x) * 1e-3).sum()
    }

    fn assert_close(got: f64, expected: f64, tolerance: f64, what: &str) {
        assert!((got - expected).abs() <= tolerance, "{what}: {got} against {expected}");
    }

    #[test]
    fn derivatives_agree_with_finite_differences() {
        for psi in Activation::ALL {
            for z in points().step_by(37).filter(|z| z.abs() > 1e-3) {
                let h = 1e-5;
                let difference = (psi.value(z + h) - psi.value(z - h)) / (2.0 * h);
                assert_close(psi.derivative(z), difference, 1e-9, &format!("{}' at {z}", psi.name()));
                let difference = (psi.derivative(z + h) - psi.derivative(z - h)) / (2.0 * h);
                assert_close(psi.second_derivative(z), difference, 1e-9, &format!("{}'' at {z}", psi.name()));
                let (value, derivative) = with_function!(psi, F => F::value_and_derivative(z));
                assert_eq!((value, derivative), (psi.value(z), psi.derivative(z)));
            }
        }
    }

    #[test]
    fn constants_are_the_suprema() {
        for psi in Activation::ALL {
            let largest = points().map(|z| psi.derivative(z).abs()).fold(0.0, f64::max);
            assert_close(largest, psi.lipschitz(), 1e-6, &format!("Lipschitz constant of {}", psi.name()));
            if let Some(smoothness) = psi.smoothness() {
                let largest = points().map(|z| psi.second_derivative(z).abs()).fold(0.0, f64::max);
                assert!(largest <= smoothness, "{}", psi.name());
                assert_close(largest, smoothness, 1e-6, &format!("smoothness of {}", psi.name()));
            }
        }
    }

    #[test]
    fn moments_agree_with_quadrature() {
        for psi in Activation::ALL {
            let tolerance = if psi.is_piecewise_linear() { 2e-4 } else { 1e-13 };
            let name = psi.name();
            let c = normal_mean(|x| psi.derivative(x).powi(2));
            assert_close(psi.derivative_second_moment(), c, tolerance, &format!("c² of {name}"));
            assert_close(psi.value_second_moment(), normal_mean(|x| psi.value(x).powi(2)), tolerance.min(1e-9), name);
            assert_close(psi.value_mean(), normal_mean(|x| psi.value(x)), if tolerance > 1e-5 { 1e-6 } else { 1e-13 }, name);
            assert_eq!(psi.is_centred(), psi.value(1.3) == -psi.value(-1.3), "{name}");
        }
    }

    #[test]
    fn every_activation_passes_through_zero() {
        for psi in Activation::ALL {
            assert_eq!(psi.value(0.0), 0.0, "{}", psi.name());
        }
    }

    #[test]
    fn extreme_arguments_are_no_trouble() {
        for psi in Activation::ALL {
            for z in [-1e30, -1e3, 1e3, 1e30] {
                let values = [psi.value(z), psi.derivative(z), psi.second_derivative(z)];
                assert!(values.iter().all(|value| value.is_finite()), "{} at {z}: {values:?}", psi.name());
            }
        }
    }

    #[test]
    fn names_are_those_of_the_command_line_and_of_toml() {
        use clap::ValueEnum;
        for psi in Activation::ALL {
            assert_eq!(psi.to_possible_value().unwrap().get_name(), psi.name());
            assert_eq!(serde_json::to_value(psi).unwrap(), psi.name());
        }
    }
}
