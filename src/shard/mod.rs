//! Part of an experiment that runs on its own: which units it has, the file it leaves ([`file`](mod@file)), and how the files of all
//! parts become one results file ([`merge`](mod@merge)).
//!
//! The units of a shard are a function of the experiment alone, so shards may run on any machines, with any ranks, threads and
//! memory, at any time.

pub mod file;
pub mod merge;

use std::fmt;
use std::str::FromStr;

use crate::experiment::{Experiment, Unit};
use crate::plan::assign::share_of;
use crate::plan::nominal_costs;

pub use merge::merge;

/// More shards than this are taken for a slip.
pub const MAX_SHARDS: usize = 1_000_000;

/// One of the `count` parts of an experiment; `number` counts from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shard {
    number: usize,
    count: usize,
}

impl Shard {
    /// Shard `number` of `count`; `None` unless 1 ≤ number ≤ count ≤ [`MAX_SHARDS`].
    pub fn new(number: usize, count: usize) -> Option<Self> {
        ((1..=count).contains(&number) && count <= MAX_SHARDS).then_some(Self { number, count })
    }

    pub fn number(self) -> usize {
        self.number
    }

    pub fn count(self) -> usize {
        self.count
    }

    /// The units of this shard, the most costly first.
    pub fn units(self, experiment: &Experiment) -> Vec<Unit> {
        share_of(self.number - 1, &nominal_costs(experiment), experiment.networks, self.count, |_| true)
    }

    /// What the file of this shard is called after the name of the experiment: `.03-of-16.shard`.
    pub fn suffix(self) -> String {
        let digits = self.count.to_string().len();
        format!(".{:0digits$}-of-{}.shard", self.number, self.count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "shard {} of {}", self.number, self.count)
    }
}

/// Why a text names no shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a shard; write i/n with i from 1 to n, such as 3/16")]
pub struct NotAShard;

/// `3/16` is the third of sixteen.
impl FromStr for Shard {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Self, NotAShard> {
        let (number, count) = text.split_once('/').ok_or(NotAShard)?;
        let part = |text: &str| text.trim().parse().map_err(|_| NotAShard);
        Self::new(part(number)?, part(count)?).ok_or(NotAShard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_written_as_fractions() {
        let shard: Shard = "3/16".parse().unwrap();
        assert_eq!((shard.number(), shard.count()), (3, 16));
        assert_eq!((shard.to_string(), shard.suffix()), ("shard 3 of 16".to_string(), ".03-of-16.shard".to_string()));
        for text in ["", "3", "0/4", "5/4", "1/0", "-1/4", "1/4/4", "a/4", "1/1000001", "1.0/4"] {
            assert_eq!(text.parse::<Shard>(), Err(NotAShard), "{text}");
        }
    }

    #[test]
    fn shards_divide_the_units_of_an_experiment() {
        let toml = "depths = [1, 2]\ndims = [5, 10]\nwidths = [10, 300]\nnetworks = 7\ninputs = 3";
        let experiment = Experiment::from_toml(toml, "test").unwrap();
        for count in [1, 2, 5, 100] {
            let mut units: Vec<Unit> =
                (1..=count).flat_map(|number| Shard::new(number, count).unwrap().units(&experiment)).collect();
            units.sort();
            let all = (0..8).flat_map(|cell| (0..7).map(move |network| Unit { cell, network }));
            assert!(units.into_iter().eq(all), "{count} shards");
        }
    }
}
