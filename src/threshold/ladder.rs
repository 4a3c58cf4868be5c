//! The sizes that a search may measure.

/// Sizes per factor of two: neighbours differ by 4.4 % where the sizes are large enough.
pub const PER_OCTAVE: usize = 16;

/// The distinct whole numbers nearest to 2^(i/16), i = 0, 1, …, from `from` to `to`, and both of these. Ascending.
pub fn sizes(from: usize, to: usize) -> Vec<usize> {
    let rungs = (0..).map(|rung| (rung as f64 / PER_OCTAVE as f64).exp2().round() as usize);
    let mut sizes: Vec<usize> = rungs.take_while(|&size| size < to).filter(|&size| size >= from).chain([from, to]).collect();
    sizes.sort_unstable();
    sizes.dedup();
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_distinct_and_dense() {
        assert_eq!(sizes(1, 12), (1..=12).collect::<Vec<_>>());
        assert_eq!(sizes(3, 3), [3]);
        let sizes = sizes(7, 100_000);
        assert_eq!((sizes[0], sizes[sizes.len() - 1]), (7, 100_000));
        for pair in sizes.windows(2) {
            let (one, next) = (pair[0] as f64, pair[1] as f64);
            assert!(one < next && (next - one <= 1.0 || next / one < 1.07), "{pair:?}");
        }
        assert!([16, 64, 1024, 65_536].iter().all(|size| sizes.contains(size)));
    }
}
