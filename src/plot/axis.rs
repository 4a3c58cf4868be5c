//! Axes: values → positions in [0, 1], and the ticks.

use crate::model::INFINITE_WIDTH;

/// A tick at `position` in [0, 1] along its axis. A minor tick has no label.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    pub position: f64,
    /// Markup of [`super::text`].
    pub label: Option<String>,
}

/// A logarithmic axis, of sizes (dims, widths) or of real numbers. Among sizes, infinite width has a slot of its own at the end.
#[derive(Debug, Clone, PartialEq)]
pub struct LogAxis {
    /// The finite sizes, which may be labelled; empty on an axis of real numbers.
    sizes: Vec<usize>,
    /// Whether values are whole numbers, so that fractions get no label.
    is_whole: bool,
    /// Share of the axis length for finite values; the rest is the slot of infinity.
    share: f64,
    /// log10 of the ends.
    low: f64,
    high: f64,
}

impl LogAxis {
    /// Shortest axis, in decades: long enough for two ticks at 1, 2 or 5 times a power of ten.
    const SHORTEST: f64 = 0.8;

    /// Share of the axis length for infinity.
    const INFINITY: f64 = 0.15;

    /// An axis that shows all of `sizes`, with a margin at both ends.
    pub fn of_sizes(sizes: &[usize]) -> Self {
        let finite: Vec<usize> = sizes.iter().copied().filter(|&size| size != INFINITE_WIDTH).collect();
        if finite.is_empty() {
            return Self { sizes: finite, is_whole: true, share: 0.0, low: 0.0, high: 1.0 };
        }
        let share = if finite.len() == sizes.len() { 1.0 } else { 1.0 - Self::INFINITY };
        let axis = Self::of_numbers(finite.iter().map(|&size| size as f64));
        Self { sizes: finite, is_whole: true, share, ..axis }
    }

    /// An axis that shows all of `numbers`, which are positive and finite, with a margin at both ends.
    pub fn of_numbers(numbers: impl Iterator<Item = f64>) -> Self {
        let (low, high) =
            numbers.map(f64::log10).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), log| (low.min(log), high.max(log)));
        let margin = (0.05 * (high - low)).max((Self::SHORTEST - (high - low)) / 2.0);
        Self { sizes: Vec::new(), is_whole: false, share: 1.0, low: low - margin, high: high + margin }
    }

    pub fn is_single_size(&self) -> bool {
        self.sizes.len() == 1
    }

    /// Position of a positive finite value.
    pub fn position(&self, value: f64) -> f64 {
        self.share * (value.log10() - self.low) / (self.high - self.low)
    }

    /// Start and end of the slot of infinity, if there is one.
    pub fn infinity(&self) -> Option<(f64, f64)> {
        (self.share < 1.0).then_some((self.share, 1.0))
    }

    /// Ticks of an axis `length` points long: powers of ten labelled, their multiples minor. Below two decades the sizes themselves and
    /// multiples of powers of ten are labelled too. `extent` is the extent of a label along the axis; labels do not overlap.
    pub fn ticks(&self, length: f64, extent: impl Fn(&str) -> f64) -> Vec<Tick> {
        let infinity = self.infinity().map(|(start, end)| Tick { position: (start + end) / 2.0, label: Some("∞".to_owned()) });
        let finite = if self.share == 0.0 { Vec::new() } else { self.finite_ticks(self.share * length, extent) };
        finite.into_iter().chain(infinity).collect()
    }

    fn finite_ticks(&self, length: f64, extent: impl Fn(&str) -> f64) -> Vec<Tick> {
        let decades: Vec<i32> = (self.low.ceil() as i32..=self.high.floor() as i32).collect();
        if decades.len() >= 2 { self.decade_ticks(&decades, length, extent) } else { self.multiple_ticks(length, extent) }
    }

    fn decade_ticks(&self, decades: &[i32], length: f64, extent: impl Fn(&str) -> f64) -> Vec<Tick> {
        let label = |decade: i32| format!("10^{{{decade}}}").replace('-', "−");
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
            let of_round = multiples.iter().filter(move |(mantissa, _)| *mantissa == round);
            of_round
                .filter(|(_, decade)| !self.is_whole || *decade >= 0)
                .map(|&(mantissa, decade)| (f64::from(mantissa) * 10f64.powi(decade), multiple_label(mantissa, decade)))
        };
        let sizes = || self.sizes.iter().map(|&size| (size as f64, number_label(size)));
        // By priority: a label that would overlap an earlier one is dropped.
        let single = sizes().filter(|_| self.is_single_size());
        let candidates = single.chain(rounds(1)).chain(sizes()).chain(rounds(2)).chain(rounds(5));
        let mut ticks: Vec<Tick> = Vec::new();
        let mut taken: Vec<(f64, f64)> = Vec::new();
        for (number, label) in candidates {
            let position = self.position(number);
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

/// The x-axis of curves.
#[derive(Debug, Clone, PartialEq)]
pub enum XAxis {
    Sizes(LogAxis),
    /// Ascending numbers of layers, on a linear axis.
    Depths(Vec<usize>),
    /// Sizes on a linear axis from 0, which takes a share of the length; the rest is the slot of infinity.
    Linear {
        axis: LinearAxis,
        share: f64,
        is_single: bool,
    },
}

impl XAxis {
    /// A linear axis of these sizes.
    pub fn linear(sizes: &[usize]) -> Self {
        let finite: Vec<usize> = sizes.iter().copied().filter(|&size| size != INFINITE_WIDTH).collect();
        let share = match (finite.len(), sizes.len()) {
            (0, _) => 0.0,
            (finite, all) if finite == all => 1.0,
            _ => 1.0 - LogAxis::INFINITY,
        };
        let highest = finite.iter().copied().max().unwrap_or(1);
        XAxis::Linear { axis: LinearAxis::from_zero(highest as f64), share, is_single: finite.len() == 1 }
    }

    pub fn is_single(&self) -> bool {
        match self {
            XAxis::Sizes(axis) => axis.is_single_size(),
            XAxis::Depths(depths) => depths.len() == 1,
            XAxis::Linear { is_single, .. } => *is_single,
        }
    }

    /// Position of a finite size or depth.
    pub fn position(&self, value: usize) -> f64 {
        match self {
            XAxis::Sizes(axis) => axis.position(value as f64),
            XAxis::Depths(depths) => {
                let (first, last) = (depths[0] as f64, depths[depths.len() - 1] as f64);
                (value as f64 - first + 0.5) / (last - first + 1.0)
            }
            XAxis::Linear { axis, share, .. } => share * axis.position(value as f64),
        }
    }

    /// As [`LogAxis::infinity`].
    pub fn infinity(&self) -> Option<(f64, f64)> {
        match self {
            XAxis::Sizes(axis) => axis.infinity(),
            XAxis::Depths(_) => None,
            XAxis::Linear { share, .. } => (*share < 1.0).then_some((*share, 1.0)),
        }
    }

    /// As [`LogAxis::ticks`]; depths whose label would overlap the one before have none.
    pub fn ticks(&self, length: f64, extent: impl Fn(&str) -> f64) -> Vec<Tick> {
        let depths = match self {
            XAxis::Sizes(axis) => return axis.ticks(length, extent),
            XAxis::Depths(depths) => depths,
            XAxis::Linear { axis, share, .. } => {
                let finite = if *share == 0.0 { Vec::new() } else { axis.ticks() };
                let finite = finite.into_iter().map(|tick| Tick { position: share * tick.position, ..tick });
                let infinity =
                    self.infinity().map(|(start, end)| Tick { position: (start + end) / 2.0, label: Some("∞".to_owned()) });
                return thinned(finite.collect(), length, |label| extent(label) + GAP).into_iter().chain(infinity).collect();
            }
        };
        let mut free = f64::NEG_INFINITY;
        let tick = |&depth: &usize| {
            let (position, label) = (self.position(depth), depth.to_string());
            let (centre, half) = (position * length, (extent(&label) + GAP) / 2.0);
            let fits = centre - half >= free;
            if fits {
                free = centre + half;
            }
            Tick { position, label: fits.then_some(label) }
        };
        depths.iter().map(tick).collect()
    }
}

/// `ticks` with every n-th label, so that labels, of these extents, do not overlap on an axis `length` points long.
pub fn thinned(ticks: Vec<Tick>, length: f64, extent: impl Fn(&str) -> f64) -> Vec<Tick> {
    let labelled: Vec<usize> = (0..ticks.len()).filter(|&index| ticks[index].label.is_some()).collect();
    let fits = |stride: usize| {
        let shown: Vec<(f64, f64)> = (labelled.iter().step_by(stride))
            .map(|&index| (ticks[index].position * length, extent(ticks[index].label.as_deref().unwrap_or_default()) / 2.0))
            .collect();
        shown.windows(2).all(|pair| (pair[1].0 - pair[0].0).abs() >= pair[0].1 + pair[1].1)
    };
    let stride = (1..=labelled.len()).find(|&stride| fits(stride)).unwrap_or(1);
    let keeps = |index: usize| labelled.binary_search(&index).is_ok_and(|place| place % stride == 0);
    let keeps: Vec<bool> = (0..ticks.len()).map(keeps).collect();
    let thin = |(tick, keep): (Tick, bool)| Tick { label: tick.label.filter(|_| keep), ..tick };
    ticks.into_iter().zip(keeps).map(thin).collect()
}

/// The y-axis of curves.
#[derive(Debug, Clone, PartialEq)]
pub enum YAxis {
    Linear(LinearAxis),
    Log(LogAxis),
}

impl YAxis {
    pub fn from_zero(highest: f64) -> Self {
        YAxis::Linear(LinearAxis::from_zero(highest))
    }

    pub fn of_fractions(lowest: f64) -> Self {
        YAxis::Linear(LinearAxis::of_fractions(lowest))
    }

    pub fn covering(lowest: f64, highest: f64) -> Self {
        YAxis::Linear(LinearAxis::covering(lowest, highest))
    }

    /// A logarithmic axis of the positive ones of `numbers`.
    pub fn logarithmic(numbers: impl Iterator<Item = f64>) -> Self {
        let positive: Vec<f64> = numbers.filter(|number| number.is_finite() && *number > 0.0).collect();
        YAxis::Log(LogAxis::of_numbers(if positive.is_empty() { vec![1.0] } else { positive }.into_iter()))
    }

    pub fn is_log(&self) -> bool {
        matches!(self, YAxis::Log(_))
    }

    /// Position of a value; on a logarithmic axis clamped to it.
    pub fn position(&self, value: f64) -> f64 {
        match self {
            YAxis::Linear(axis) => axis.position(value),
            YAxis::Log(axis) if value > 0.0 => axis.position(value).clamp(0.0, 1.0),
            YAxis::Log(_) => 0.0,
        }
    }

    /// Ticks of an axis `length` points long, with labels `height` high that do not overlap.
    pub fn ticks(&self, length: f64, height: f64) -> Vec<Tick> {
        match self {
            YAxis::Linear(axis) => thinned(axis.ticks(), length, |_| height + 1.0),
            YAxis::Log(axis) => axis.ticks(length, |_| height),
        }
    }
}

/// Smallest gap between two labels, in points.
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
    /// From 0 to 5 % above `highest`; above 1 if that is not a positive finite number.
    pub fn from_zero(highest: f64) -> Self {
        // Near the subnormals a tick step loses its digits.
        let highest = if highest.is_finite() && highest > 1e-300 { highest } else { 1.0 };
        Self { low: 0.0, high: 1.05 * highest, first_tick: 0.0, step: round_step(highest / 6.0) }
    }

    /// From `lowest`, rounded down to a multiple of 0.2, to 1, with a margin at both ends.
    pub fn of_fractions(lowest: f64) -> Self {
        let first_tick = ((lowest * 5.0 + 1e-9).floor() / 5.0).clamp(0.0, 0.8);
        let span = 1.0 - first_tick;
        Self { low: first_tick - 0.04 * span, high: 1.0 + 0.05 * span, first_tick, step: round_step(span / 5.0) }
    }

    /// From `lowest` to `highest`, and 0, with a margin at both ends; from 0 if `lowest` is not negative.
    pub fn covering(lowest: f64, highest: f64) -> Self {
        if !lowest.is_finite() || lowest >= 0.0 {
            return Self::from_zero(highest);
        }
        let highest = if highest.is_finite() { highest.max(0.0) } else { 0.0 };
        let span = (highest - lowest).max(1e-300);
        let step = round_step(span / 6.0);
        let (low, high) = (lowest - 0.05 * span, highest + 0.05 * span);
        Self { low, high, first_tick: (low / step).ceil() * step, step }
    }

    pub fn position(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// The value at `position`.
    pub fn value(&self, position: f64) -> f64 {
        self.low + position * (self.high - self.low)
    }

    /// Ticks, all labelled, with the decimals that the step needs.
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

/// m·10ⁿ for m = 1..9: plain digits from 10⁻³ to 10³.
fn multiple_label(mantissa: i32, decade: i32) -> String {
    match decade {
        -3..=-1 => format!("{:.*}", decade.unsigned_abs() as usize, f64::from(mantissa) * 10f64.powi(decade)),
        0..=3 => (mantissa * 10_i32.pow(decade as u32)).to_string(),
        _ if mantissa == 1 => format!("10^{{{decade}}}").replace('-', "−"),
        _ => format!("{mantissa}×10^{{{decade}}}").replace('-', "−"),
    }
}

/// Fixed-point between 10⁻⁴ and 10⁵; m×10ⁿ outside.
fn linear_label(value: f64, decimals: usize) -> String {
    if value < 0.0 {
        return format!("−{}", linear_label(-value, decimals));
    }
    // The sum of a negative number and its multiple may miss 0.
    let value = if value < 1e-12 * 10f64.powi(-(decimals as i32)) { 0.0 } else { value };
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

/// Digits below 10⁴; above, m×10ⁿ if m has one digit, else digits; ∞ for infinite width.
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

    /// Rough width of a label at 7 points.
    fn extent(label: &str) -> f64 {
        4.5 * label.replace("^{", "").replace('}', "").chars().count() as f64
    }

    fn labels(ticks: &[Tick]) -> Vec<&str> {
        ticks.iter().filter_map(|tick| tick.label.as_deref()).collect()
    }

    #[test]
    fn decades_are_labelled_and_their_multiples_are_not() {
        let ticks = LogAxis::of_sizes(&[10, 30, 1000]).ticks(140.0, extent);
        assert_eq!(labels(&ticks), ["10^{1}", "10^{2}", "10^{3}"]);
        assert!(ticks.len() > 18, "{} ticks", ticks.len());
        assert!(ticks.iter().all(|tick| (0.0..=1.0).contains(&tick.position)));
    }

    #[test]
    fn positions_are_logarithmic() {
        let axis = LogAxis::of_sizes(&[10, 1000]);
        assert!((axis.position(100.0) - 0.5).abs() < 1e-12);
        assert!((axis.position(10.0) + axis.position(1000.0) - 1.0).abs() < 1e-12);
        assert!(axis.position(10.0) > 0.0);
    }

    #[test]
    fn a_long_axis_skips_decades_evenly() {
        let ticks = LogAxis::of_sizes(&[1, 10usize.pow(18)]).ticks(104.0, extent);
        let exponents: Vec<i32> = labels(&ticks).iter().map(|label| label[4..label.len() - 1].parse().unwrap()).collect();
        assert!((2..8).contains(&exponents.len()), "{exponents:?}");
        assert!(exponents.windows(2).all(|pair| pair[1] - pair[0] == exponents[1] - exponents[0]));
    }

    #[test]
    fn a_short_axis_has_at_least_two_labels_that_do_not_overlap() {
        for widths in [&[1][..], &[7], &[30], &[99, 101], &[100], &[12_345], &[50, 300], &[999_999]] {
            for length in [104.0, 230.0] {
                let ticks = LogAxis::of_sizes(widths).ticks(length, extent);
                assert!(labels(&ticks).len() >= 2, "{widths:?}: {:?}", labels(&ticks));
                let mut labelled: Vec<&Tick> = ticks.iter().filter(|tick| tick.label.is_some()).collect();
                labelled.sort_by(|a, b| a.position.total_cmp(&b.position));
                for pair in labelled.windows(2) {
                    let gap = (pair[1].position - pair[0].position) * length;
                    let need = pair.iter().map(|tick| extent(tick.label.as_ref().unwrap()) / 2.0).sum::<f64>();
                    assert!(gap > need, "{widths:?} at {length}: {pair:?}");
                }
            }
        }
    }

    #[test]
    fn a_single_size_is_labelled() {
        for width in [1, 7, 30, 12_345, usize::MAX] {
            let ticks = LogAxis::of_sizes(&[width]).ticks(104.0, extent);
            assert!(labels(&ticks).contains(&number_label(width).as_str()), "{width}: {:?}", labels(&ticks));
        }
    }

    #[test]
    fn infinity_has_its_own_slot_at_the_end() {
        let axis = LogAxis::of_sizes(&[10, 1000, INFINITE_WIDTH]);
        let (start, end) = axis.infinity().unwrap();
        assert!(axis.position(1000.0) < start && end == 1.0);
        assert_eq!(labels(&axis.ticks(140.0, extent)), ["10^{1}", "10^{2}", "10^{3}", "∞"]);
        assert_eq!(labels(&LogAxis::of_sizes(&[INFINITE_WIDTH]).ticks(140.0, extent)), ["∞"]);
        assert_eq!(LogAxis::of_sizes(&[10, 1000]).infinity(), None);
    }

    #[test]
    fn real_numbers_have_labels_whatever_they_span() {
        for values in [[1.0, 1.01], [0.3, 0.9], [0.002, 7.0], [1e-9, 1e7], [5.0, 5.0], [9.99, 10.01]] {
            let axis = LogAxis::of_numbers(values.into_iter());
            assert!(values.iter().all(|&value| (0.0..=1.0).contains(&axis.position(value))));
            for length in [90.0, 260.0] {
                let ticks = axis.ticks(length, extent);
                assert!(labels(&ticks).len() >= 2 && ticks.iter().all(|tick| (0.0..=1.0).contains(&tick.position)), "{values:?}");
            }
        }
        assert_eq!(labels(&LogAxis::of_numbers([0.3, 0.9].into_iter()).ticks(260.0, extent)), ["1", "0.5"]);
        assert_eq!(labels(&LogAxis::of_numbers([1e-4, 0.2].into_iter()).ticks(260.0, extent))[0], "10^{−4}");
    }

    #[test]
    fn depths_are_evenly_spaced_and_labelled_where_there_is_room() {
        let axis = XAxis::Depths((1..=6).collect());
        let ticks = axis.ticks(140.0, extent);
        assert_eq!(labels(&ticks), ["1", "2", "3", "4", "5", "6"]);
        assert!(ticks.windows(2).all(|pair| (pair[1].position - pair[0].position - 1.0 / 6.0).abs() < 1e-12));
        assert_eq!(labels(&axis.ticks(30.0, extent)), ["1", "3", "5"]);
        assert_eq!((XAxis::Depths(vec![4]).position(4), XAxis::Depths(vec![4]).is_single()), (0.5, true));
    }

    #[test]
    fn linear_axes_of_both_signs_have_a_tick_at_zero() {
        assert_eq!(labels(&LinearAxis::covering(-2.0, 2.0).ticks()), ["−2", "−1", "0", "1", "2"]);
        assert_eq!(labels(&LinearAxis::covering(-0.31, 0.05).ticks()), ["−0.3", "−0.2", "−0.1", "0.0"]);
        assert_eq!(LinearAxis::covering(0.5, 2.0), LinearAxis::from_zero(2.0));
        assert!(!labels(&LinearAxis::covering(-1.0, f64::NAN).ticks()).is_empty());
    }

    #[test]
    fn thinned_labels_do_not_overlap() {
        for length in [240.0, 60.0, 20.0, 1.0] {
            let ticks = thinned(LinearAxis::of_fractions(1.0).ticks(), length, extent);
            let places: Vec<f64> = ticks.iter().filter(|tick| tick.label.is_some()).map(|tick| tick.position * length).collect();
            assert!(ticks.len() == 5 && !places.is_empty());
            assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= extent("0.80")), "{length}: {places:?}");
        }
        let labels_at = |length| labels(&XAxis::linear(&[10, 100_000, INFINITE_WIDTH]).ticks(length, extent)).len();
        assert!(labels_at(240.0) > labels_at(60.0) && labels_at(60.0) >= 2);
        let axis = XAxis::linear(&[10, 1000, INFINITE_WIDTH]);
        assert!(axis.position(1000) < axis.infinity().unwrap().0 && axis.position(10) > 0.0);
    }

    #[test]
    fn a_logarithmic_axis_has_no_place_below_its_end() {
        let axis = YAxis::logarithmic([0.0, -1.0, f64::NAN, 0.01, 10.0].into_iter());
        assert!((axis.position(0.01) + axis.position(10.0) - 1.0).abs() < 1e-12);
        assert_eq!([axis.position(0.0), axis.position(-3.0), axis.position(1e9)], [0.0, 0.0, 1.0]);
        assert!(labels(&YAxis::logarithmic([].into_iter()).ticks(100.0, 7.0)).len() >= 2);
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
