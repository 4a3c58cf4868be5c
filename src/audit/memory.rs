//! Memory model of an audit.

use super::Setting;
use super::spectrum::LARGEST;

/// Peak bytes of a network and its largest measurement: an upper bound.
pub fn network_bytes(setting: &Setting) -> u64 {
    if setting.layers.is_some() {
        // The weights; up to three sets of vectors at the knots of the line, one for each neuron at most; 27 ascents in balls.
        let cell = setting.cell();
        return (8.0
            * (cell.weights()
                + (cell.neurons() + 2.0) * (3.0 * setting.k() + setting.d())
                + 300.0 * cell.neurons()
                + 216.0 * setting.d())) as u64;
    }
    let (d, k) = (setting.dim as u64, setting.width as u64);
    let small = d.min(k);
    // The Hessian, LAPACK's copy of it, and the neurons that enter it at once.
    let hessian = if setting.activation.smoothness().is_some() && setting.dim <= LARGEST { 2 * d * d + 256 * d } else { 0 };
    // W and its submatrix of neurons that can flip; two Gram matrices and a Lanczos basis; 42 ascents in balls with six points and four
    // sets of pre-activations each; vectors.
    let numbers = d * k + d * k / 2 + 2 * small * small + 100 * small + 42 * (6 * d + 4 * k) + 30 * (d + k) + hessian;
    8 * numbers
}
