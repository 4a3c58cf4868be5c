//! Equation (3), ‖∇f(x)‖ = Ω(1): ‖∇f(x)‖ does not decrease with d or k.

use crate::audit::claim::Exponent;
use crate::audit::network::norm;
use crate::audit::{Entry, Measured, Network, Setting, Statement, growth};

pub struct Equation3;

impl Statement for Equation3 {
    fn id(&self) -> &'static str {
        "equation-3"
    }

    fn citation(&self) -> &'static str {
        "Equation (3), section 1.2"
    }

    fn claim(&self) -> &'static str {
        "‖∇f(x)‖ = Ω(1): no fall with d or k"
    }

    fn cost(&self, setting: &Setting) -> f64 {
        2.0 * setting.d() * setting.k()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        vec!["‖∇f(x)‖".to_string()]
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        vec![norm(network.gradient_at_input().view())]
    }

    fn judge(&self, _measured: &Measured, _gamma: f64) -> Vec<Entry> {
        Vec::new()
    }

    fn across(&self, all: &[Measured], gamma: f64) -> Vec<Entry> {
        growth::entries(all, gamma, "‖∇f(x)‖", 0, gamma, Exponent::AtLeast(0.0))
    }
}
