//! How many bytes an audit holds, and so on how many threads it may work.

use super::Setting;
use crate::job::resources::{PROCESS, THREAD};

/// Bytes of a network and of the largest measurement that is made on it: no less, and up to twice as many, as were seen.
pub fn network_bytes(setting: &Setting) -> u64 {
    let (d, k) = (setting.dim as u64, setting.width as u64);
    let small = d.min(k);
    // W, and the part of it whose neurons can flip; two Gram matrices and the basis of a Lanczos process; everything that climbs in a
    // ball, of which there are 42: six points and four times their pre-activations; and vectors.
    let numbers = d * k + d * k / 2 + 2 * small * small + 100 * small + 42 * (6 * d + 4 * k) + 30 * (d + k);
    8 * numbers
}

/// The most threads, of `threads`, on which networks of the `largest` setting fit `memory` beside `records` bytes of what has been
/// measured; or the bytes that one thread takes.
pub fn threads_that_fit(largest: u64, records: u64, threads: usize, memory: u64) -> Result<usize, u64> {
    let alone = PROCESS + records;
    let each = THREAD + largest;
    match memory.saturating_sub(alone) / each {
        0 => Err(alone + each),
        fit => Ok(threads.min(usize::try_from(fit).unwrap_or(usize::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Activation;

    #[test]
    fn threads_that_do_not_fit_are_left_out() {
        let largest = network_bytes(&Setting { dim: 1000, width: 10_000, activation: Activation::Relu });
        assert!(largest > 120_000_000 && largest < 160_000_000, "{largest}");
        let needed = |threads: u64| PROCESS + 5 + threads * (THREAD + largest);
        assert_eq!(threads_that_fit(largest, 5, 4, needed(9)), Ok(4));
        assert_eq!(threads_that_fit(largest, 5, 4, needed(3)), Ok(3));
        assert_eq!(threads_that_fit(largest, 5, 4, needed(3) - 1), Ok(2));
        assert_eq!(threads_that_fit(largest, 5, 4, needed(1) - 1), Err(needed(1)));
        assert_eq!(threads_that_fit(largest, 5, 4, 0), Err(needed(1)));
    }
}
