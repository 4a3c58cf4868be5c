//! A part of an experiment that runs as a job of its own. Its units depend on the experiment only
//! ([`plan::shard_units`](crate::plan::shard_units)), so shards can run anywhere, with any ranks, threads and memory.

use std::fmt;
use std::str::FromStr;

/// Larger shard counts are taken for a typo.
pub const MAX_SHARDS: usize = 1_000_000;

/// Shard `number` (from 1) of `count`.
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

    /// Suffix of the shard's file name: `.03-of-16.shard`.
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

/// Why a text is not a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a shard; write i/n with i from 1 to n, such as 3/16")]
pub struct NotAShard;

/// Parses `3/16`, the third of sixteen.
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
}
