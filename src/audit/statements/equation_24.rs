//! Equation (24), the number of neurons that can change sign in a small ball, and the bound on sums over that many neurons.
//!
//! T_y is the set of neurons whose sign at y differs from that at x, ‖y − x‖ ≤ R = √k/log⁶ d. *Upper bound* on sup |T_y|: a neuron can be in some
//! T_y only if |w_i·x| ≤ R ‖w_i‖. *Lower bound*: y moves along −Σ sign(z_i) w_i over the 1, 2, 4, … neurons nearest to their kinks.
//! The bound on sums is printed with probability 1 − γ/4, so that at failure probability γ the printed γ is 4γ.

use ndarray::Array1;

use crate::audit::network::norm;
use crate::audit::{Bracket, subsets};
use crate::audit::{Claim, Entry, Measured, Network, Setting, Statement};
use crate::model::Activation;

pub struct Equation24;

impl Statement for Equation24 {
    fn id(&self) -> &'static str {
        "equation-24"
    }

    fn citation(&self) -> &'static str {
        "Equation (24), Proposition 5, section 3"
    }

    fn claim(&self) -> &'static str {
        "|T_y| ≤ B = 300 k/log³ d for ‖y − x‖ ≤ √k/log⁶ d; sup over |A| ≤ B of ‖Σ_A a_i w_i‖/√k ≤ √(B/k) (1 + √((B log k + log 1/γ)/d))"
    }

    fn applies(&self, setting: &Setting) -> bool {
        setting.activation == Activation::Relu
    }

    fn networks(&self, _setting: &Setting, asked: usize) -> usize {
        asked.min(50)
    }

    fn cost(&self, setting: &Setting) -> f64 {
        subsets::cost(setting.d(), setting.k()) + 40.0 * setting.d() * setting.k()
    }

    fn columns(&self, _setting: &Setting) -> Vec<String> {
        ["sup |T_y|, found", "sup |T_y|, at most", "supremum of sums, found", "supremum of sums, at most"]
            .map(str::to_string)
            .into()
    }

    fn measure(&self, network: &Network) -> Vec<f64> {
        let radius = radius(&network.setting);
        let Bracket { found, at_most } = subsets::supremum(network, size(&network.setting) as usize);
        vec![most_changed(network, radius) as f64, can_change(network, radius) as f64, found, at_most]
    }

    fn judge(&self, measured: &Measured, gamma: f64) -> Vec<Entry> {
        let setting = measured.setting;
        let (d, k) = (setting.d(), setting.k());
        let (log, cube) = ((1.0 / gamma).ln(), d.ln().powi(3));
        let (least, size) = (20.0 * cube * log, size(&setting));
        let changes = Claim::of(measured, gamma, "sup |T_y|")
            .assuming(k >= least, format!("k ≥ 20 log³ d log 1/γ = {least:.0}"))
            .assuming(k <= d * cube, format!("k ≤ d log³ d = {:.0}", d * cube))
            .assuming(d >= least, format!("d ≥ 20 log³ d log 1/γ = {least:.0}"))
            .empty_if(size >= k, format!("300 k/log³ d = {size:.0} is not below k: it says nothing for d ≤ 807"));
        let sums = Claim::of(measured, gamma, "sup ‖Σ_A a_i w_i‖/√k");
        let bound = (size / k).sqrt() * (1.0 + ((size * k.ln() + log) / d).sqrt());
        vec![
            changes.supremum_at_most(&measured.column(0), Some(&measured.column(1)), size),
            sums.supremum_at_most(&measured.column(2), Some(&measured.column(3)), bound),
        ]
    }
}

/// R = √k/log⁶ d, the radius of Proposition 5.
fn radius(setting: &Setting) -> f64 {
    setting.k().sqrt() / setting.d().ln().powi(6)
}

/// B = 300 k/log³ d.
fn size(setting: &Setting) -> f64 {
    300.0 * setting.k() / setting.d().ln().powi(3)
}

/// Neurons with |w_i·x| ≤ R ‖w_i‖.
fn can_change(network: &Network, radius: f64) -> usize {
    network.w.rows().into_iter().zip(&network.z).filter(|(w, z)| z.abs() <= radius * norm(w.view())).count()
}

/// The largest number of sign changes found at distance `radius` from x.
fn most_changed(network: &Network, radius: f64) -> usize {
    let mut order: Vec<usize> = (0..network.setting.width).collect();
    order.sort_by(|&i, &j| network.z[i].abs().total_cmp(&network.z[j].abs()).then(i.cmp(&j)));
    let mut direction: Array1<f64> = Array1::zeros(network.setting.dim);
    let mut most = 0;
    for (count, &neuron) in order.iter().enumerate() {
        direction.scaled_add(-network.z[neuron].signum(), &network.w.row(neuron));
        // The nearest 1, 2, 4, …, and all of them.
        if !(count + 1).is_power_of_two() && count + 1 < order.len() {
            continue;
        }
        let length = norm(direction.view());
        if length > 0.0 {
            let moved = network.forward((&direction * (radius / length)).view());
            let changed = network.z.iter().zip(&moved).filter(|(z, move_by)| (**z > 0.0) != (**z + **move_by > 0.0)).count();
            most = most.max(changed);
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_of_changed_signs_is_bracketed() {
        let mut strict = 0;
        for index in 0..20 {
            let network = Network::new(3, Setting::two_layer(6, 60, Activation::Relu), index);
            for radius in [0.0, 0.05, 0.5, 3.0] {
                let (found, at_most) = (most_changed(&network, radius), can_change(&network, radius));
                assert!(found <= at_most);
                assert!(at_most == 0 || radius < 0.05 || found > 0, "one kink alone can be reached");
                strict += usize::from(found == at_most && found > 0);
            }
        }
        assert!(strict > 10, "near kinks few in number can be reached at once: {strict}");
    }
}
