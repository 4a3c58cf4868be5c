//! Measurements → [`Entry`]: estimate, interval, margin and verdict for each form of claim.
//!
//! **With probability at least 1 − γ, X ≤ b** ([`Claim::at_most`]; [`Claim::at_least`] is the mirror image). The estimate is the quantile of X at
//! 1 − γ, with a distribution-free interval; the margin is b over it. The verdict comes from the number of networks with X > b, of N: let
//! [p₋, p₊] be the Clopper–Pearson interval of the failure probability at 95 %. The statement *holds* if p₊ ≤ γ, *fails* if p₋ > γ, and is
//! *undecided* with this number of networks otherwise.
//!
//! **Always** ([`Claim::always_at_most`]): *fails* if one network exceeds the bound by more than rounding, else *holds*.
//!
//! **A supremum** ([`Claim::supremum_at_most`]) has a lower bound from a search and possibly a certified upper bound: it *fails* by the former,
//! *holds* by the latter, and otherwise *holds as far as searched*.
//!
//! **A probability is at most b** ([`Claim::probability_at_most`]): *holds* if the Clopper–Pearson interval is below b, *fails* if it is above,
//! else *undecided*.
//!
//! **An exponent is at most (at least, exactly) e** ([`Claim::exponent`]): O, Ω and Õ have unspecified constants, so the growth with d or k is
//! tested, up to [`TOLERANCE`], an allowance for finite sizes. *Holds* if the whole interval of the measured exponent satisfies the claim, *fails* if
//! none of it does, and is *not refuted* otherwise.
//!
//! **A quantity without a stated bound** ([`Claim::named`]), such as an unspecified constant, is *measured*, with its interval.
//!
//! If a condition on d, k or γ is not met ([`Claim::assuming`]), the verdict is marked as outside the hypotheses. A bound that cannot be violated (a
//! norm is at least −1) makes a statement *not testable*.

use super::entry::{Outcome, Scope, Verdict};
use super::{Entry, Estimate, Measured};
use crate::stats::exponent;
use crate::stats::exponent::SizedSample;
use crate::stats::interval;

/// Relative excess over an unconditional bound that counts as rounding.
const ROUNDING: f64 = 1e-9;

/// Allowed distance of a measured exponent from the claimed one.
pub const TOLERANCE: f64 = 0.05;

/// Builder of an [`Entry`].
#[derive(Debug, Clone)]
pub struct Claim {
    statement: &'static str,
    scope: Scope,
    networks: usize,
    gamma: f64,
    part: String,
    quantity: String,
    unmet: Vec<String>,
    unnamed: Option<String>,
    note: String,
    empty: Option<String>,
}

/// The claim on an exponent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Exponent {
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
}

impl Claim {
    /// A claim on `quantity`, such as `‖W‖`, at the setting of `measured`.
    pub fn of(measured: &Measured, gamma: f64, quantity: impl Into<String>) -> Self {
        Self {
            statement: measured.statement,
            scope: Scope::One(measured.setting),
            networks: measured.rows.len(),
            gamma,
            part: String::new(),
            quantity: quantity.into(),
            unmet: Vec::new(),
            unnamed: None,
            note: String::new(),
            empty: None,
        }
    }

    /// A claim over several settings of one activation, `points`; `all` must not be empty. Counts the networks that determine the exponent or,
    /// if there is none, those of all points.
    pub fn across(all: &[Measured], points: &[SizedSample], gamma: f64, quantity: impl Into<String>) -> Self {
        let count = |points: &mut dyn Iterator<Item = &SizedSample>| points.map(|point| point.sample.len()).sum();
        let networks = match count(&mut exponent::comparable(points)) {
            0 => count(&mut points.iter()),
            networks => networks,
        };
        Self { scope: Scope::Across(all[0].setting.activation), networks, ..Self::of(&all[0], gamma, quantity) }
    }

    /// The part of a statement with several.
    pub fn part(mut self, part: impl Into<String>) -> Self {
        self.part = part.into();
        self
    }

    /// A condition of the statement, e.g. `k ≥ 10 log³ d log 1/γ = 2880`, and whether it is `met` here.
    pub fn assuming(mut self, met: bool, condition: impl Into<String>) -> Self {
        if !met {
            self.unmet.push(condition.into());
        }
        self
    }

    /// A condition with an unspecified constant, e.g. `k ≥ C log 2/γ`: a failure only shows that the constant is larger.
    pub fn assuming_unnamed(mut self, condition: impl Into<String>) -> Self {
        self.unnamed = Some(format!("{}, C not specified", condition.into()));
        self
    }

    /// A remark.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Marks the bound as vacuous here, and `why`. The measurement is still reported.
    pub fn empty_if(mut self, empty: bool, why: impl Into<String>) -> Self {
        if empty {
            self.empty.get_or_insert(why.into());
        }
        self
    }

    /// With probability at least 1 − γ, X ≤ `bound`; `x` holds X per network.
    pub fn at_most(self, x: &[f64], bound: f64) -> Entry {
        let claim = self.only_where_defined(bound);
        let estimate = interval::quantile(x, 1.0 - claim.gamma);
        let failures = x.iter().filter(|&&x| !is_at_most(x, bound)).count() as u64;
        claim.often_enough(estimate, bound, margin(bound, estimate.value), (failures, x.len() as u64))
    }

    /// With probability at least 1 − γ, X ≥ `bound`, for X ≥ 0.
    pub fn at_least(self, x: &[f64], bound: f64) -> Entry {
        // NaN: the bound has a root of a negative number.
        if bound.is_nan() || bound <= 0.0 {
            let bound_is = if bound.is_nan() { "is not defined".to_string() } else { format!("is {bound:.3}, not above 0") };
            let estimate = interval::quantile(x, self.gamma);
            let claim = self.empty_if(true, format!("the bound {bound_is}: it says nothing"));
            return claim.entry(bound, estimate, f64::NAN, None, Outcome::NotTestable, String::new());
        }
        let estimate = interval::quantile(x, self.gamma);
        let failures = x.iter().filter(|&&x| !is_at_most(bound, x)).count() as u64;
        self.often_enough(estimate, bound, estimate.value / bound, (failures, x.len() as u64))
    }

    /// A NaN bound (a root of a negative number) is vacuous.
    fn only_where_defined(self, bound: f64) -> Self {
        self.empty_if(bound.is_nan(), "the bound is not defined: it says nothing")
    }

    /// With probability at least 1 − γ, X ≤ `at_most` and Y ≥ `at_least` in the same network. The tested quantity, with bound 1, is the larger of
    /// X/`at_most` and `at_least`/Y. A lower bound that is ≤ 0 or NaN is vacuous.
    pub fn both(self, (x, at_most): (&[f64], f64), (y, at_least): (&[f64], f64)) -> Entry {
        let is_void = at_least.is_nan() || at_least <= 0.0;
        let claim = if is_void { self.note("its lower bound says nothing") } else { self };
        let worst = |(&x, &y): (&f64, &f64)| match (x / at_most, if is_void { 0.0 } else { at_least / y }) {
            (x, y) if x.is_nan() || y.is_nan() => f64::NAN,
            (x, y) => x.max(y),
        };
        claim.at_most(&x.iter().zip(y).map(worst).collect::<Vec<f64>>(), 1.0)
    }

    fn often_enough(self, estimate: Estimate, bound: f64, margin: f64, failures: (u64, u64)) -> Entry {
        let gamma = self.gamma;
        let outcome = outcome_of(failures, gamma);
        let why = match outcome {
            Outcome::Undecided => too_few(failures, gamma),
            _ => String::new(),
        };
        self.entry(bound, estimate, margin, Some(failures), outcome, why)
    }

    /// X ≤ `bound` in every network, up to rounding. The estimate is the maximum, without an interval.
    pub fn always_at_most(self, x: &[f64], bound: f64) -> Entry {
        let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let failures = x.iter().filter(|&&x| !is_at_most(x, bound + ROUNDING * bound.abs())).count() as u64;
        let outcome = if failures > 0 { Outcome::Fails } else { Outcome::Holds };
        let estimate = Estimate { value: largest, ..Estimate::NONE };
        self.entry(bound, estimate, margin(bound, largest), Some((failures, x.len() as u64)), outcome, String::new())
    }

    /// With probability at least 1 − γ, sup ≤ `bound`, given a lower bound `found` per network and possibly an upper bound `at_most`. The estimate
    /// is that of `found`.
    pub fn supremum_at_most(self, found: &[f64], at_most: Option<&[f64]>, bound: f64) -> Entry {
        let claim = self.only_where_defined(bound);
        let gamma = claim.gamma;
        let count = |x: &[f64]| (x.iter().filter(|&&x| !is_at_most(x, bound)).count() as u64, x.len() as u64);
        let estimate = interval::quantile(found, 1.0 - gamma);
        let failures = count(found);
        let certified = at_most.is_some_and(|at_most| outcome_of(count(at_most), gamma) == Outcome::Holds);
        let outcome = match outcome_of(failures, gamma) {
            Outcome::Holds if !certified => Outcome::HoldsAsSearched,
            outcome => outcome,
        };
        let why = match outcome {
            Outcome::Undecided => too_few(failures, gamma),
            _ => String::new(),
        };
        claim.entry(bound, estimate, margin(bound, estimate.value), Some(failures), outcome, why)
    }

    /// A probability with `hits` in `trials` independent trials is at most `bound`.
    pub fn probability_at_most(self, hits: u64, trials: u64, bound: f64) -> Entry {
        let claim = self.empty_if(bound >= 1.0, format!("the bound is {bound:.3}, not below 1: it says nothing"));
        let estimate = interval::probability(hits, trials);
        let (outcome, why) = match () {
            () if estimate.low > bound => (Outcome::Fails, String::new()),
            () if estimate.high <= bound => (Outcome::Holds, String::new()),
            () => (Outcome::Undecided, "the interval holds the bound".to_string()),
        };
        claim.entry(bound, estimate, margin(bound, estimate.value), Some((hits, trials)), outcome, why)
    }

    /// An exponent, as measured by [`exponent`](crate::stats::exponent::exponent).
    pub fn exponent(self, measured: Result<Estimate, &'static str>, claimed: Exponent) -> Entry {
        let bound = match claimed {
            Exponent::AtMost(bound) | Exponent::AtLeast(bound) | Exponent::Exactly(bound) => bound,
        };
        let estimate = match measured {
            Ok(estimate) => estimate,
            Err(why) => return self.not_testable(bound, why),
        };
        // The exponents that satisfy the claim.
        let (least, most) = match claimed {
            Exponent::AtMost(bound) => (f64::NEG_INFINITY, bound + TOLERANCE),
            Exponent::AtLeast(bound) => (bound - TOLERANCE, f64::INFINITY),
            Exponent::Exactly(bound) => (bound - TOLERANCE, bound + TOLERANCE),
        };
        let outcome = match () {
            () if estimate.low > most || estimate.high < least => Outcome::Fails,
            () if estimate.low >= least && estimate.high <= most => Outcome::Holds,
            () => Outcome::NotRefuted,
        };
        self.entry(bound, estimate, f64::NAN, None, outcome, String::new())
    }

    /// A quantity without a stated bound, such as an unspecified constant.
    pub fn named(self, estimate: Estimate) -> Entry {
        self.entry(f64::NAN, estimate, f64::NAN, None, Outcome::Measured, String::new())
    }

    /// Not testable, because of `why`.
    pub fn not_testable(self, bound: f64, why: impl Into<String>) -> Entry {
        self.entry(bound, Estimate::NONE, f64::NAN, None, Outcome::NotTestable, why.into())
    }

    fn entry(
        self,
        bound: f64,
        estimate: Estimate,
        margin: f64,
        failures: Option<(u64, u64)>,
        outcome: Outcome,
        why: String,
    ) -> Entry {
        let Self { statement, scope, networks, gamma, part, quantity, mut unmet, unnamed, note, empty } = self;
        let margin = if empty.is_some() { f64::NAN } else { margin };
        let (outcome, why) = empty.map_or((outcome, why), |why| (Outcome::NotTestable, why));
        unmet.extend(unnamed.filter(|_| outcome == Outcome::Fails));
        let verdict = Verdict { outcome, outside: !unmet.is_empty() };
        let requires = if unmet.is_empty() { String::new() } else { format!("requires {}", unmet.join(" and ")) };
        let open = open_sides(&estimate, scope, networks);
        let why = [why, requires, open, note].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ");
        Entry { statement, part, scope, gamma, quantity, bound, estimate, failures, networks, margin, verdict, why }
    }
}

/// Whether the failure probability is at most γ, given (failures, trials).
fn outcome_of((failures, trials): (u64, u64), gamma: f64) -> Outcome {
    let probability = interval::probability(failures, trials);
    match () {
        () if probability.low > gamma => Outcome::Fails,
        () if probability.high <= gamma => Outcome::Holds,
        () => Outcome::Undecided,
    }
}

fn too_few((failures, trials): (u64, u64), gamma: f64) -> String {
    let needed = interval::trials_to_show(gamma);
    match trials < needed {
        true => format!("{failures} of {trials} networks fail, and γ = {gamma} takes at least {needed} networks"),
        false => format!("{failures} of {trials} networks fail, which may be more or less often than γ = {gamma}"),
    }
}

/// What an infinite limit of the interval means; empty if there is none.
fn open_sides(estimate: &Estimate, scope: Scope, networks: usize) -> String {
    let side = match (estimate.low == f64::NEG_INFINITY, estimate.high == f64::INFINITY) {
        (false, false) => return String::new(),
        (true, false) => "from below",
        (false, true) => "from above",
        (true, true) => "on either side",
    };
    match scope {
        Scope::One(_) => format!("{networks} networks cannot bound it {side}"),
        Scope::Across(_) => format!("too few networks at some size to bound it {side}"),
    }
}

/// bound ÷ measured; ∞ if `measured` ≤ 0 ≤ `bound`.
fn margin(bound: f64, measured: f64) -> f64 {
    match measured <= 0.0 {
        true if bound >= 0.0 => f64::INFINITY,
        true => f64::NAN,
        false => bound / measured,
    }
}

/// x ≤ bound; false for NaN.
fn is_at_most(x: f64, bound: f64) -> bool {
    x <= bound
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Setting;
    use crate::model::Activation;

    /// A claim on 100 networks at γ.
    fn claim(gamma: f64) -> Claim {
        let setting = Setting::two_layer(100, 100, Activation::Relu);
        let rows = vec![vec![0.0]; 100];
        Claim::of(&Measured { statement: "test", setting, columns: vec!["x".to_string()], rows }, gamma, "x")
    }

    /// 1, 2, …, 100.
    fn sample() -> Vec<f64> {
        (1..=100).map(f64::from).collect()
    }

    fn verdict(entry: &Entry) -> (Outcome, bool) {
        (entry.verdict.outcome, entry.verdict.outside)
    }

    #[test]
    fn an_upper_bound_holds_fails_or_is_left_open() {
        let at = |bound: f64| claim(0.1).at_most(&sample(), bound);
        // 3 of 100 fail (interval up to 8.5 %), 20 do (from 12.7 %), 8 do (3.5 to 15.2 %).
        assert_eq!(verdict(&at(97.0)), (Outcome::Holds, false));
        assert_eq!(verdict(&at(80.0)), (Outcome::Fails, false));
        let open = at(92.0);
        assert_eq!((verdict(&open), open.failures), ((Outcome::Undecided, false), Some((8, 100))));
        assert!(open.why.starts_with("8 of 100 networks fail"), "{}", open.why);
        assert_eq!((at(180.0).estimate.value, at(180.0).margin), (90.0, 2.0));
        // 0 of 100 is not enough for 0.01.
        assert!(claim(0.01).at_most(&sample(), 1e9).why.contains("takes at least 368 networks"));
    }

    #[test]
    fn a_lower_bound_is_the_mirror_image() {
        let at = |bound: f64| claim(0.1).at_least(&sample(), bound);
        assert_eq!(verdict(&at(4.0)), (Outcome::Holds, false));
        assert_eq!(verdict(&at(21.0)), (Outcome::Fails, false));
        assert_eq!((at(5.0).estimate.value, at(5.0).margin), (10.0, 2.0));
        for empty in [0.0, -1.0, f64::NAN] {
            let entry = at(empty);
            assert_eq!((verdict(&entry), entry.estimate.value), ((Outcome::NotTestable, false), 10.0));
            assert!(entry.why.contains("says nothing") && entry.margin.is_nan());
        }
    }

    #[test]
    fn a_number_that_is_none_counts_as_a_failure() {
        let mut sample = sample();
        sample[..20].fill(f64::NAN);
        assert_eq!(verdict(&claim(0.1).at_most(&sample, 1e9)), (Outcome::Fails, false));
        assert_eq!(verdict(&claim(0.1).always_at_most(&sample, 1e9)), (Outcome::Fails, false));
    }

    /// X ≤ 95.5 and Y ≥ 5.5 each fail in 5 of 100 networks: where these are the same 5 both hold often enough for γ = 0.15 (interval up to
    /// 11.3 %), where they are not 10 fail, and 15 % cannot be excluded (up to 17.6 %).
    #[test]
    fn what_is_claimed_of_two_numbers_is_counted_network_by_network() {
        let together = |y: &[f64]| claim(0.15).both((&sample(), 95.5), (y, 5.5));
        let reversed: Vec<f64> = sample().into_iter().rev().collect();
        assert_eq!((verdict(&together(&reversed)).0, together(&reversed).failures), (Outcome::Holds, Some((5, 100))));
        assert_eq!((verdict(&together(&sample())).0, together(&sample()).failures), (Outcome::Undecided, Some((10, 100))));
        let void = claim(0.15).both((&sample(), 95.5), (&sample(), f64::NAN));
        assert_eq!((void.failures, void.why.as_str()), (Some((5, 100)), "its lower bound says nothing"));
        let nothing = claim(0.15).both((&[f64::NAN; 100], 95.5), (&sample(), 5.5));
        assert_eq!(nothing.failures, Some((100, 100)));
    }

    #[test]
    fn margin_is_no_number_only_where_there_is_no_bound() {
        let zeros = [0.0; 100];
        let negative = [-1.0; 100];
        assert_eq!(claim(0.1).at_most(&zeros, 2.0).margin, f64::INFINITY);
        assert_eq!(claim(0.1).at_most(&negative, 2.0).margin, f64::INFINITY);
        assert_eq!(claim(0.1).at_most(&zeros, 0.0).margin, f64::INFINITY);
        let undefined = claim(0.1).at_most(&sample(), f64::NAN);
        assert_eq!((verdict(&undefined).0, undefined.margin.is_nan()), (Outcome::NotTestable, true));
        assert_eq!(verdict(&claim(0.1).supremum_at_most(&sample(), None, f64::NAN)).0, Outcome::NotTestable);
    }

    #[test]
    fn an_interval_without_an_end_gets_a_sentence() {
        let why = |gamma: f64| claim(gamma).named(interval::quantile(&sample(), 1.0 - gamma)).why;
        assert_eq!((why(0.001).as_str(), why(0.1).as_str()), ("100 networks cannot bound it from above", ""));
        let low = claim(0.001).named(interval::quantile(&sample(), 0.001)).why;
        assert_eq!(low, "100 networks cannot bound it from below");
    }

    #[test]
    fn what_holds_always_is_refuted_by_one_network() {
        let at = |bound: f64| verdict(&claim(0.1).always_at_most(&sample(), bound));
        assert_eq!((at(100.0), at(99.9)), ((Outcome::Holds, false), (Outcome::Fails, false)));
        assert_eq!(at(100.0 - 1e-10), (Outcome::Holds, false), "rounding");
    }

    #[test]
    fn a_supremum_is_certified_from_above_only() {
        let (found, above) = (sample(), sample().iter().map(|x| 2.0 * x).collect::<Vec<f64>>());
        let at = |at_most: Option<&[f64]>, bound: f64| verdict(&claim(0.1).supremum_at_most(&found, at_most, bound));
        assert_eq!(at(Some(&above), 200.0), (Outcome::Holds, false));
        assert_eq!(at(Some(&above), 120.0), (Outcome::HoldsAsSearched, false));
        assert_eq!(at(None, 1e9), (Outcome::HoldsAsSearched, false));
        assert_eq!(at(Some(&above), 50.0), (Outcome::Fails, false));
    }

    #[test]
    fn probabilities_and_exponents_are_judged_by_their_intervals() {
        let at = |bound: f64| verdict(&claim(0.1).probability_at_most(50, 1000, bound)).0;
        assert_eq!(
            [at(0.1), at(0.05), at(0.02), at(1.5)],
            [Outcome::Holds, Outcome::Undecided, Outcome::Fails, Outcome::NotTestable]
        );
        let estimate = Ok(Estimate { value: -0.5, low: -0.6, high: -0.4 });
        let of = |claimed| verdict(&claim(0.1).exponent(estimate, claimed)).0;
        let verdicts = [Outcome::Holds, Outcome::NotRefuted, Outcome::Fails];
        assert_eq!([-0.44, -0.5, -0.7].map(|bound| of(Exponent::AtMost(bound))), verdicts);
        assert_eq!([-0.56, -0.5, -0.3].map(|bound| of(Exponent::AtLeast(bound))), verdicts);
        let narrow = Ok(Estimate { value: -0.5, low: -0.52, high: -0.48 });
        let exactly = |bound| verdict(&claim(0.1).exponent(narrow, Exponent::Exactly(bound))).0;
        assert_eq!([-0.5, -0.45, 0.0].map(exactly), verdicts);
        assert_eq!(verdict(&claim(0.1).exponent(Err("there is one size"), Exponent::AtMost(0.0))).0, Outcome::NotTestable);
    }

    #[test]
    fn unmet_conditions_are_told() {
        let entry = claim(0.1).assuming(true, "d ≥ 1").assuming(false, "k ≥ 1000").note("so it is").at_most(&sample(), 97.0);
        assert_eq!((verdict(&entry), entry.why.as_str()), ((Outcome::Holds, true), "requires k ≥ 1000; so it is"));
        assert_eq!(entry.verdict.label(), "holds, outside its hypotheses");
        let unnamed = |bound: f64| claim(0.1).assuming_unnamed("k ≥ C").at_most(&sample(), bound);
        assert_eq!((verdict(&unnamed(97.0)), unnamed(97.0).why.as_str()), ((Outcome::Holds, false), ""));
        assert_eq!(
            (verdict(&unnamed(50.0)), unnamed(50.0).why.as_str()),
            ((Outcome::Fails, true), "requires k ≥ C, C not specified")
        );
        let empty = claim(0.1).empty_if(true, "it says nothing").at_most(&sample(), 97.0);
        assert_eq!((verdict(&empty).0, empty.margin.is_nan()), (Outcome::NotTestable, true));
    }
}
