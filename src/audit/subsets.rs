//! Bounds on sup over sets S of at most m neurons of ‖(1/√k) Σ_{i∈S} a_i w_i‖.
//!
//! This is the supremum over S and unit vectors u of (1/√k) Σ_{i∈S} a_i w_i·u. *Lower bound*: alternating maximisation, which is monotone. For
//! fixed u the best S has the m largest positive a_i w_i·u; for fixed S the best u is along the sum. Starts: dominant directions of W (a few power
//! iterations), the sum over all neurons, and their negatives. *Upper bound*: the sum over S is Wᵀ times a vector of norm at most √m, hence at most
//! √(m/k) ‖W‖.

use ndarray::{Array1, Array2, ArrayView1, ArrayViewMut1};
use rand::distr::Distribution;

use super::network::{Purpose, norm};
use super::{Bracket, Network};
use crate::random::normal::StandardNormal;

/// Most alternations; usually fewer are needed.
const TURNS: usize = 15;
/// Random starts, and their power iterations on WᵀW.
const RANDOM: usize = 3;
const POWER_STEPS: usize = 3;

/// Approximate flops of [`supremum`].
pub fn cost(d: f64, k: f64) -> f64 {
    4.0 * d * k * ((2 * RANDOM + 2) * (TURNS / 2 + POWER_STEPS)) as f64
}

/// Bounds for sets of at most `size` neurons.
pub fn supremum(network: &Network, size: usize) -> Bracket {
    let size = size.min(network.setting.width);
    let mut directions = starts(network);
    let mut found = 0.0_f64;
    for _ in 0..TURNS {
        let mut chosen = directions.dot(&network.w.t());
        chosen.rows_mut().into_iter().for_each(|row| choose(row, network.a.view(), size));
        directions = chosen.dot(&network.w);
        let before = found;
        for mut sum in directions.rows_mut() {
            let length = norm(sum.view());
            found = found.max(length * network.scale());
            sum.mapv_inplace(|x| if length > 0.0 { x / length } else { x });
        }
        if found <= before * (1.0 + 1e-6) {
            break;
        }
    }
    Bracket { found, at_most: (size as f64).sqrt() * network.scale() * network.operator_norm() }
}

/// Start directions, one per row.
fn starts(network: &Network) -> Array2<f64> {
    let dim = network.setting.dim;
    let mut generator = network.generator(Purpose::Direction);
    let random: Vec<f64> = StandardNormal.sample_iter(&mut generator).take(RANDOM * dim).collect();
    let mut strong = Array2::from_shape_vec((RANDOM, dim), random).expect("so many numbers were drawn");
    for _ in 0..POWER_STEPS {
        strong = strong.dot(&network.w.t()).dot(&network.w);
        for mut row in strong.rows_mut() {
            let length = norm(row.view());
            row.mapv_inplace(|x| x / length);
        }
    }
    let all = network.backward(Array1::ones(network.setting.width).view());
    let mut starts = Array2::zeros((2 * RANDOM + 2, dim));
    for (index, direction) in strong.rows().into_iter().chain([all.view()]).enumerate() {
        starts.row_mut(2 * index).assign(&direction);
        starts.row_mut(2 * index + 1).assign(&direction.mapv(|x| -x));
    }
    starts
}

/// Replaces w_i·u by a_i for the `size` largest positive a_i w_i·u, and by 0 for the others.
fn choose(mut row: ArrayViewMut1<f64>, a: ArrayView1<f64>, size: usize) {
    let mut scores: Vec<(f64, usize)> = row.iter().zip(a).enumerate().map(|(i, (w, a))| (a * w, i)).collect();
    if size < scores.len() {
        scores.select_nth_unstable_by(size, |x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
        scores.truncate(size);
    }
    row.fill(0.0);
    for (score, index) in scores {
        if score > 0.0 {
            row[index] = a[index];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Setting;
    use crate::model::Activation;

    /// The supremum by enumeration.
    fn brute_force(network: &Network, size: usize) -> f64 {
        let width = network.setting.width;
        let sum = |set: u32| {
            let members = Array1::from_shape_fn(width, |i| f64::from(set >> i & 1));
            norm(network.backward(members.view()).view())
        };
        (0..1_u32 << width).filter(|set| set.count_ones() as usize <= size).map(sum).fold(0.0, f64::max)
    }

    #[test]
    fn the_bracket_holds_the_supremum_and_the_search_mostly_finds_it() {
        let (mut missed, mut worst, mut tried) = (0, 1.0_f64, 0);
        for (dim, width, size) in [(3, 12, 4), (3, 12, 12), (8, 12, 6), (2, 13, 3)] {
            for index in 0..15 {
                let network = Network::new(5, Setting::two_layer(dim, width, Activation::Relu), index);
                let exact = brute_force(&network, size);
                let Bracket { found, at_most } = supremum(&network, size);
                assert!(found <= exact * (1.0 + 1e-12) && exact <= at_most * (1.0 + 1e-9), "{found} {exact} {at_most}");
                tried += 1;
                missed += usize::from(found < exact * (1.0 - 1e-9));
                worst = worst.min(found / exact);
            }
        }
        assert!(3 * missed < tried && worst > 0.8, "missed {missed} of {tried}, worst {worst}");
    }
}
