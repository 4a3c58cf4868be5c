//! Certified smallest step for one hidden layer and smooth ψ: marching with steps too short to skip a root.
//!
//! With z = W x and u = W p, φ(t) = (s/√k) Σ a_j ψ(z_j + t u_j), so |φ''| ≤ M = sup|ψ''|·(1/√k) Σ |a_j| u_j² everywhere on the
//! line. From a point with φ > 0 there is no root within
//!
//! ```text
//! h = 2φ / (√(φ'² + 2Mφ) − φ'),    the root of φ + φ' h − M h²/2,
//! ```
//!
//! and if φ' < 0 and φ'² ≥ 2Mφ there is one within 2φ / (√(φ'² − 2Mφ) − φ'). So t advances by h until the two bounds agree to
//! [`TOLERANCE`]; convergence near a simple root is quadratic, as for Newton's method. Each step is one pass over the neurons, in
//! f64, for all unfinished lines.

use crate::kernels::Real;
use crate::kernels::activation::{curvature_mass, value_and_slope_at};
use crate::kernels::line::LineRow;
use crate::network::{Lines, sum_over_first_layer};
use crate::record::Status;

use super::{NotFinite, Outcome, PHI, Start};

/// Relative bracket width at which a march ends.
pub const TOLERANCE: f64 = 1e-9;
/// Maximum number of passes; then the march is abandoned.
const MAX_PASSES: u32 = 2000;

/// The smallest step on each of `lines`, for depth 1 and a smooth ψ; `None` where the march was abandoned.
///
/// # Errors
/// If φ, φ' or the bound on |φ''| is not finite.
pub fn smallest_steps<T: Real>(network: &mut impl Lines<T>, lines: &[Start]) -> Result<Vec<Option<Outcome>>, NotFinite> {
    assert_eq!(network.depth(), 1, "the march is for one hidden layer");
    let psi = network.activation();
    let smoothness = psi.smoothness().expect("the march is for a smooth ψ");
    let scale = 1.0 / (network.width(1) as f64).sqrt();
    let mut marches: Vec<March> = lines.iter().map(|_| March::default()).collect();
    while marches.iter().any(|march| march.result.is_none()) {
        let first_pass = marches.iter().all(|march| march.passes == 0);
        let unfinished = || marches.iter().zip(lines).filter(|(march, _)| march.result.is_none());
        // φ, φ' and M.
        let sums = sum_over_first_layer(network, 3 * unfinished().count(), |block, sums| {
            for ((march, line), sums) in unfinished().zip(sums.as_chunks_mut::<3>().0) {
                let z = block.z.row(line.input).to_slice().expect("rows are contiguous");
                let u = block.u.row(line.input).to_slice().expect("rows are contiguous");
                let row = LineRow { z, u, a: block.readout, sign: line.sign };
                let (value, slope) = value_and_slope_at(psi, row, march.t);
                sums[0] += scale * value;
                sums[1] += scale * slope;
                if first_pass {
                    sums[2] += smoothness * scale * curvature_mass(row);
                }
            }
        });
        let unfinished = marches.iter_mut().zip(lines).filter(|(march, _)| march.result.is_none());
        for ((march, line), &[value, slope, curvature]) in unfinished.zip(sums.as_chunks::<3>().0) {
            march.curvature += curvature;
            NotFinite::check_at(PHI, line.input, march.t, value + slope + march.curvature)?;
            march.end_pass(value, slope, line.bound);
        }
    }
    Ok(marches.into_iter().map(|march| march.result.expect("the loop ends when every march has a result")).collect())
}

/// The march on one line.
#[derive(Default)]
struct March {
    t: f64,
    /// M.
    curvature: f64,
    passes: u32,
    result: Option<Option<Outcome>>,
}

impl March {
    /// Updates the state after a full pass over the neurons: `value` and `slope` are φ and φ' at t.
    fn end_pass(&mut self, value: f64, slope: f64, bound: f64) {
        let Self { t, curvature, .. } = *self;
        self.passes += 1;
        let found = |step| Outcome::found(step, Status::FoundExact, self.passes);
        if value <= 0.0 {
            // The march cannot pass a root, so φ is 0 up to rounding. At t = 0, φ > 0 in the engine's sums was a rounding error.
            self.result = Some((t > 0.0).then(|| found(t)));
            return;
        }
        let free = root_distance(value, slope, curvature);
        let within = if slope < 0.0 { root_distance(value, slope, -curvature) } else { f64::NAN };
        if t + free > bound {
            self.result = Some(Some(Outcome::none(self.passes)));
        } else if within - free <= TOLERANCE * (t + free) {
            self.result = Some(Some(found((t + 0.5 * (free + within)).min(bound))));
        } else if self.passes >= MAX_PASSES {
            self.result = Some(None);
        } else {
            self.t += free;
        }
    }
}

/// The smallest h > 0 with φ + φ' h − M h²/2 = 0, for M of either sign; NaN if there is none.
fn root_distance(value: f64, slope: f64, curvature: f64) -> f64 {
    let root = (slope * slope + 2.0 * curvature * value).sqrt();
    if slope <= 0.0 { 2.0 * value / (root - slope) } else { (slope + root) / curvature }
}
