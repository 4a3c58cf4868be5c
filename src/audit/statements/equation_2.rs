//! Equation (2), |f(x)| = O(1): the growth of |f(x)| with d and with k.

use crate::audit::claim::Exponent;
use crate::audit::{Entry, Measured, Network, Setting, Statement, growth};

pub struct Equation2;

impl Statement for Equation2 {
    fn id(&self) -> &'static str {
        "equation-2"
    }

    fn citation(&self) -> &'static str {
        "Equation (2), section 1.2"
    }

    fn claim(&self) -> &'static str {
        "|f(x)| = O(1): no growth with d or k"
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

    fn judge(&self, _measured: &Measured, _gamma: f64) -> Vec<Entry> {
        Vec::new()
    }

    fn across(&self, all: &[Measured], gamma: f64) -> Vec<Entry> {
        growth::entries(all, gamma, "|f(x)|", 0, 1.0 - gamma, Exponent::AtMost(0.0))
    }
}
