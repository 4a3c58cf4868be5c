//! Memory model of an audit.

use super::Setting;

/// Peak bytes of a network and its largest measurement: an upper bound, within twice the measured peak.
pub fn network_bytes(setting: &Setting) -> u64 {
    let (d, k) = (setting.dim as u64, setting.width as u64);
    let small = d.min(k);
    // W and its submatrix of neurons that can flip; two Gram matrices and a Lanczos basis; 42 ascents in balls with six points and four
    // sets of pre-activations each; vectors.
    let numbers = d * k + d * k / 2 + 2 * small * small + 100 * small + 42 * (6 * d + 4 * k) + 30 * (d + k);
    8 * numbers
}
