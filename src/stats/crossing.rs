//! Where a rising fraction crosses a level.

/// Where fractions last rise through a level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// Interpolated in log size: the smallest size if the fraction is at the level everywhere, ∞ if below it at the largest.
    pub size: f64,
    /// The sizes on both sides: 0 before the first, ∞ after the last.
    pub below: f64,
    pub above: f64,
}

/// The crossing of `level` by the `fractions` at ascending `sizes`.
pub fn crossing(sizes: &[usize], fractions: &[f64], level: f64) -> Crossing {
    let (first, last) = (sizes[0] as f64, sizes[sizes.len() - 1] as f64);
    let Some(below) = fractions.iter().rposition(|&fraction| fraction < level) else {
        return Crossing { size: first, below: 0.0, above: first };
    };
    let Some(&above) = fractions.get(below + 1) else {
        return Crossing { size: f64::INFINITY, below: last, above: f64::INFINITY };
    };
    let share = (level - fractions[below]) / (above - fractions[below]);
    let (low, high) = (sizes[below] as f64, sizes[below + 1] as f64);
    Crossing { size: (low.ln() + share * (high.ln() - low.ln())).exp(), below: low, above: high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_crossing_is_interpolated_in_log_size() {
        let at = |fractions: &[f64]| crossing(&[1, 10, 100, 1000], fractions, 0.9);
        assert_eq!(at(&[0.95; 4]), Crossing { size: 1.0, below: 0.0, above: 1.0 });
        assert_eq!(at(&[0.5; 4]), Crossing { size: f64::INFINITY, below: 1000.0, above: f64::INFINITY });
        let found = at(&[0.95, 0.2, 0.8, 1.0]);
        assert!((found.size - 100.0 * 10_f64.sqrt()).abs() < 1e-9 && (found.below, found.above) == (100.0, 1000.0), "{found:?}");
    }
}
