//! Axes: from values to positions in [0, 1], and where the ticks go.

use crate::model::INFINITE_WIDTH;

/// A tick at `position` in [0, 1] along its axis. A minor tick has no label.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub position: f64,
    /// Markup of [`super::text`].
    pub label: Option<String>,
}

/// A logarithmic axis of widths, with a place for infinity at its end if that is among them.
#[derive(Debug, Clone, PartialEq)]
pub struct LogAxis {
    /// The finite widths.
    widths: Vec<usize>,
    /// Share of the axis that the finite widths take.
    share: f64,
    /// log10 of the ends.
    low: f64,
    high: f64,
}

impl LogAxis {
    /// Shortest axis, in decades: long enough for two ticks at 1, 2 or 5 times a power of ten.
    const SHORTEST: f64 = 0.8;

    /// Share of the axis that infinity takes.
    const INFINITY: f64 = 0.15;

    /// An axis that shows all of `widths` with some room at both ends.
    pub fn spanning(widths: &[usize]) -> Self {
        let finite: Vec<usize> = widths.iter().copied().filter(|&width| width != INFINITE_WIDTH).collect();
        let share = match (finite.is_empty(), finite.len() == widths.len()) {
            (true, _) => return Self { widths: finite, share: 0.0, low: 0.0, high: 1.0 },
            (_, true) => 1.0,
            (_, false) => 1.0 - Self::INFINITY,
        };
        let widths = finite;
        let logs = || widths.iter().map(|&width| (width as f64).log10());
        let (low, high) = (logs().fold(f64::INFINITY, f64::min), logs().fold(f64::NEG_INFINITY, f64::max));
        let margin = (0.05 * (high - low)).max((Self::SHORTEST - (high - low)) / 2.0);
        Self { widths, share, low: low - margin, high: high + margin }
    }

    pub fn is_single_width(&self) -> bool {
        self.widths.len() == 1
    }

    pub fn position(&self, width: f64) -> f64 {
        self.share * (width.log10() - self.low) / (self.high - self.low)
    }

    /// Where the place of infinity begins and ends, if there is one.
    pub fn infinity(&self) -> Option<(f64, f64)> {
        (self.share < 1.0).then_some((self.share, 1.0))
    }

    /// Ticks for an axis `length` long: powers of ten labelled, their multiples minor; on a short axis the widths themselves
    /// and multiples are labelled too. Labels do not overlap: `extent` gives the length of one.
    pub fn ticks(&self, length: f64, extent: impl Fn(&str) -> f64) -> Vec<Tick> {
        let infinity = self.infinity().map(|(start, end)| Tick { position: (start + end) / 2.0, label: Some("∞".to_owned()) });
        let finite = if self.widths.is_empty() { Vec::new() } else { self.finite_ticks(self.share * length, extent) };
        finite.into_iter().chain(infinity).collect()
    }

    fn finite_ticks(&self, length: f64, extent: impl Fn(&str) -> f64) -> Vec<Tick> {
        let decades: Vec<i32> = (self.low.ceil() as i32..=self.high.floor() as i32).collect();
        if decades.len() >= 2 { self.decade_ticks(&decades, length, extent) } else { self.multiple_ticks(length, extent) }
    }

    fn decade_ticks(&self, decades: &[i32], length: f64, extent: impl Fn(&str) -> f64) -> Vec<Tick> {
        let label = |decade: i32| format!("10^{{{decade}}}");
        let spacing = length / (self.high - self.low);
        let widest = decades.iter().map(|&decade| extent(&label(decade))).fold(0.0, f64::max) + GAP;
        let stride = (widest / spacing).ceil().max(1.0) as i32;
        let labelled = |mantissa: i32, decade: i32| mantissa == 1 && decade.rem_euclid(stride) == 0;
        let minors = spacing > 12.0;
        self.all_multiples()
            .filter(|&(mantissa, _)| mantissa == 1 || minors)
            .map(|(mantissa, decade)| Tick {
                position: self.position(f64::from(mantissa) * 10f64.powi(decade)),
                label: labelled(mantissa, decade).then(|| label(decade)),
            })
            .collect()
    }

    fn multiple_ticks(&self, length: f64, extent: impl Fn(&str) -> f64) -> Vec<Tick> {
        let multiples: Vec<(i32, i32)> = self.all_multiples().collect();
        let rounds = |round: i32| {
            // Fractions, and numbers beyond any width, are left out.
            let power = |decade| 10usize.checked_pow(u32::try_from(decade).ok()?);
            let whole = move |&(mantissa, decade): &(i32, i32)| power(decade)?.checked_mul(mantissa as usize);
            multiples.iter().filter(move |(mantissa, _)| *mantissa == round).filter_map(whole)
        };
        // In the order in which they may take the room.
        let single = self.widths.iter().copied().filter(|_| self.is_single_width());
        let candidates = single.chain(rounds(1)).chain(self.widths.iter().copied()).chain(rounds(2)).chain(rounds(5));
        let mut ticks: Vec<Tick> = Vec::new();
        let mut taken: Vec<(f64, f64)> = Vec::new();
        for number in candidates {
            let (position, label) = (self.position(number as f64), number_label(number));
            let (centre, half) = (position / self.share * length, (extent(&label) + GAP) / 2.0);
            if taken.iter().all(|&(low, high)| centre + half <= low || centre - half >= high) {
                taken.push((centre - half, centre + half));
                ticks.push(Tick { position, label: Some(label) });
            }
        }
        let minors = multiples.iter().map(|&(mantissa, decade)| self.position(f64::from(mantissa) * 10f64.powi(decade)));
        ticks.extend(minors.map(|position| Tick { position, label: None }));
        ticks
    }

    /// (m, n) with m·10ⁿ on the axis, m = 1..9, ascending.
    fn all_multiples(&self) -> impl Iterator<Item = (i32, i32)> + '_ {
        let decades = self.low.floor() as i32..=self.high.floor() as i32;
        decades.flat_map(|decade| (1..=9).map(move |mantissa| (mantissa, decade))).filter(|&(mantissa, decade)| {
            let log = f64::from(mantissa).log10() + f64::from(decade);
            (self.low..=self.high).contains(&log)
        })
    }
}

/// Least room between two labels, in points.
const GAP: f64 = 4.0;

/// A linear axis.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearAxis {
    low: f64,
    high: f64,
    first_tick: f64,
    step: f64,
}

impl LinearAxis {
    /// From 0 to a little above `highest` (1 if that is not a positive number, or next to none).
    pub fn from_zero(highest: f64) -> Self {
        // Smaller numbers have no digits left for a step between ticks.
        let highest = if highest.is_finite() && highest > 1e-300 { highest } else { 1.0 };
        Self { low: 0.0, high: 1.05 * highest, first_tick: 0.0, step: round_step(highest / 6.0) }
    }

    /// From just below `lowest`, rounded down to a multiple of 0.2, to just above 1.
    pub fn of_fractions(lowest: f64) -> Self {
        let first_tick = ((lowest * 5.0 + 1e-9).floor() / 5.0).clamp(0.0, 0.8);
        let room = 1.0 - first_tick;
        Self { low: first_tick - 0.04 * room, high: 1.0 + 0.05 * room, first_tick, step: round_step(room / 5.0) }
    }

    pub fn position(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// The value at `position`.
    pub fn value(&self, position: f64) -> f64 {
        self.low + position * (self.high - self.low)
    }

    /// Ticks, all of them labelled, with as many decimals as the step needs.
    pub fn ticks(&self) -> Vec<Tick> {
        let decimals = (-(self.step.log10() + 1e-9).floor()).max(0.0) as usize;
        let count = ((self.high - self.first_tick) / self.step + 1e-9).floor() as usize;
        (0..=count)
            .map(|i| {
                let value = self.first_tick + i as f64 * self.step;
                Tick { position: self.position(value), label: Some(linear_label(value, decimals)) }
            })
            .collect()
    }
}

/// Fixed-point between 10⁻⁴ and 10⁵; m×10ⁿ outside.
fn linear_label(value: f64, decimals: usize) -> String {
    if value != 0.0 && (decimals > 4 || value >= 1e5) {
        let exponent = (value.log10() + 1e-9).floor();
        let mantissa = (value / 10f64.powf(exponent) * 100.0).round() / 100.0;
        return format!("{mantissa}×10^{{{}}}", exponent.to_string().replace('-', "−"));
    }
    if decimals > 4 { "0".to_owned() } else { format!("{value:.decimals$}") }
}

/// The smallest of 1, 2 and 5 times a power of ten that is at least `step`, a positive number.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.log10().floor());
    let multiple = [1.0, 2.0, 5.0].into_iter().find(|multiple| multiple * power >= step * (1.0 - 1e-9));
    multiple.unwrap_or(10.0) * power
}

/// A whole number as people write it: digits below 10⁴, m×10ⁿ above if m is one digit, digits otherwise; ∞ for the infinite width.
pub fn number_label(number: usize) -> String {
    if number == INFINITE_WIDTH {
        return "∞".to_owned();
    }
    let zeros = number.to_string().bytes().rev().take_while(|&digit| digit == b'0').count();
    let mantissa = number / 10usize.pow(zeros as u32);
    match mantissa {
        1 if number >= 10_000 => format!("10^{{{zeros}}}"),
        2..=9 if number >= 10_000 => format!("{mantissa}×10^{{{zeros}}}"),
        _ => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// About what a label takes at 7 points.
    fn extent(label: &str) -> f64 {
        4.5 * label.replace("^{", "").replace('}', "").chars().count() as f64
    }

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().filter_map(|tick| tick.label.as_deref()).collect()
    }

    #[test]
    fn decades_are_labelled_and_their_multiples_are_not() {
        let ticks = LogAxis::spanning(&[10, 30, 1000]).ticks(140.0, extent);
        assert_eq!(labels(&ticks), ["10^{1}", "10^{2}", "10^{3}"]);
        assert!(ticks.len() > 18, "{} ticks", ticks.len());
        assert!(ticks.iter().all(|tick| (0.0..=1.0).contains(&tick.position)));
    }

    #[test]
    fn positions_are_logarithmic() {
        let axis = LogAxis::spanning(&[10, 1000]);
        assert!((axis.position(100.0) - 0.5).abs() < 1e-12);
        assert!((axis.position(10.0) + axis.position(1000.0) - 1.0).abs() < 1e-12);
        assert!(axis.position(10.0) > 0.0);
    }

    #[test]
    fn a_long_axis_skips_decades_evenly() {
        let ticks = LogAxis::spanning(&[1, 10usize.pow(18)]).ticks(104.0, extent);
        let exponents: Vec<i32> = labels(&ticks).iter().map(|label| label[4..label.len() - 1].parse().unwrap()).collect();
        assert!((2..8).contains(&exponents.len()), "{exponents:?}");
        assert!(exponents.windows(2).all(|pair| pair[1] - pair[0] == exponents[1] - exponents[0]));
    }

    #[test]
    fn a_short_axis_has_at_least_two_labels_that_do_not_overlap() {
        for widths in [&[1][..], &[7], &[30], &[99, 101], &[100], &[12_345], &[50, 300], &[999_999]] {
            for length in [104.0, 230.0] {
                let ticks = LogAxis::spanning(widths).ticks(length, extent);
                assert!(labels(&ticks).len() >= 2, "{widths:?}: {:?}", labels(&ticks));
                let mut labelled: Vec<&Tick> = ticks.iter().filter(|tick| tick.label.is_some()).collect();
                labelled.sort_by(|a, b| a.position.total_cmp(&b.position));
                for pair in labelled.windows(2) {
                    let room = (pair[1].position - pair[0].position) * length;
                    let need = pair.iter().map(|tick| extent(tick.label.as_ref().unwrap()) / 2.0).sum::<f64>();
                    assert!(room > need, "{widths:?} at {length}: {pair:?}");
                }
            }
        }
    }

    #[test]
    fn a_single_width_is_labelled() {
        for width in [1, 7, 30, 12_345, usize::MAX] {
            let ticks = LogAxis::spanning(&[width]).ticks(104.0, extent);
            assert!(labels(&ticks).contains(&number_label(width).as_str()), "{width}: {:?}", labels(&ticks));
        }
    }

    #[test]
    fn infinity_has_its_own_place_at_the_end() {
        let axis = LogAxis::spanning(&[10, 1000, INFINITE_WIDTH]);
        let (start, end) = axis.infinity().unwrap();
        assert!(axis.position(1000.0) < start && end == 1.0);
        assert_eq!(labels(&axis.ticks(140.0, extent)), ["10^{1}", "10^{2}", "10^{3}", "∞"]);
        assert_eq!(labels(&LogAxis::spanning(&[INFINITE_WIDTH]).ticks(140.0, extent)), ["∞"]);
        assert_eq!(LogAxis::spanning(&[10, 1000]).infinity(), None);
    }

    #[test]
    fn linear_ticks_are_round() {
        assert_eq!(labels(&LinearAxis::from_zero(2.0).ticks()), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!(labels(&LinearAxis::from_zero(0.95).ticks()), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(&LinearAxis::from_zero(17.0).ticks()), ["0", "5", "10", "15"]);
        assert_eq!(labels(&LinearAxis::from_zero(2e-7).ticks()), ["0", "5×10^{−8}", "1×10^{−7}", "1.5×10^{−7}", "2×10^{−7}"]);
        for nothing in [f64::NAN, 0.0, -1.0, 5e-324, f64::INFINITY] {
            assert_eq!(labels(&LinearAxis::from_zero(nothing).ticks()).last(), Some(&"1.0"));
        }
        for size in [1e-299, 1e300] {
            assert!(labels(&LinearAxis::from_zero(size).ticks()).iter().all(|label| label.chars().count() < 15));
        }
    }

    #[test]
    fn the_axis_of_fractions_starts_at_a_multiple_of_one_fifth_and_ends_at_one() {
        assert_eq!(labels(&LinearAxis::of_fractions(0.05).ticks()), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&LinearAxis::of_fractions(0.6).ticks()), ["0.6", "0.7", "0.8", "0.9", "1.0"]);
        assert_eq!(labels(&LinearAxis::of_fractions(1.0).ticks()), ["0.80", "0.85", "0.90", "0.95", "1.00"]);
        let axis = LinearAxis::of_fractions(0.05);
        assert!(axis.position(0.0) > 0.0 && axis.position(1.0) < 1.0);
    }

    #[test]
    fn whole_numbers_are_written_with_powers_from_ten_thousand() {
        let numbers = [1, 10, 500, 3000, 10_000, 30_000, 12_345, 120_000, 1_000_000];
        let expected = ["1", "10", "500", "3000", "10^{4}", "3×10^{4}", "12345", "120000", "10^{6}"];
        assert_eq!(numbers.map(number_label), expected);
    }
}
