//! How many bytes a network of an audit holds.

use super::Setting;

/// Bytes of a network and of the largest measurement that is made on it: no less, and up to twice as many, as were seen.
pub fn network_bytes(setting: &Setting) -> u64 {
    let (d, k) = (setting.dim as u64, setting.width as u64);
    let small = d.min(k);
    // W, and the part of it whose neurons can flip; two Gram matrices and the basis of a Lanczos process; everything that climbs in a
    // ball, of which there are 42: six points and four times their pre-activations; and vectors.
    let numbers = d * k + d * k / 2 + 2 * small * small + 100 * small + 42 * (6 * d + 4 * k) + 30 * (d + k);
    8 * numbers
}
