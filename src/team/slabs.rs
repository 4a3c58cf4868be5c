//! The division of a layer's neurons into slabs, and of the slabs among the members of a team.

use std::collections::VecDeque;
use std::ops::Range;

use super::Team;
use super::tree::{Part, Partials};

/// A slab is a whole number of chunks of this many neurons (the last may be shorter). A multiple of the units in which random numbers are drawn and
/// partial sums are made.
pub const CHUNK: usize = 4096;
/// Fewer neurons are one slab.
const LEAST_DIVIDED: usize = 16_384;
/// Most slabs of a layer: enough for teams of hundreds of members, and few enough that partial sums cost nothing beside what is summed.
pub const MAX_SLABS: usize = 256;

/// Number of slabs of `length` neurons. Part of the definition of every sum: changing it changes the last digits of results.
pub fn count(length: usize) -> usize {
    if length < LEAST_DIVIDED { 1 } else { (length / CHUNK).min(MAX_SLABS) }
}

/// The neurons of slab `slab` of `length`.
pub fn range(length: usize, slab: usize) -> Range<usize> {
    let (slabs, chunks) = (count(length) as u128, length.div_ceil(CHUNK) as u128);
    let start = |slab: usize| length.min((chunks * slab as u128 / slabs) as usize * CHUNK);
    start(slab)..start(slab + 1)
}

/// An axis of a vector, and the part of it that a member holds.
#[derive(Clone)]
pub struct Share {
    length: usize,
    slabs: usize,
    own: Range<usize>,
    team: Team,
}

impl Share {
    /// The neurons of a layer, divided among the members of `team` in order.
    pub fn of(length: usize, team: &Team) -> Self {
        let slabs = count(length);
        let first = |member: usize| member * slabs / team.members();
        Self { length, slabs, own: first(team.member())..first(team.member() + 1), team: team.clone() }
    }

    /// An axis that every member holds whole, such as that of the inputs; sums over it need no others.
    pub fn whole(length: usize) -> Self {
        Self { length, slabs: 1, own: 0..1, team: Team::alone() }
    }

    /// Length of the axis.
    pub fn total(&self) -> usize {
        self.length
    }

    /// Number of slabs of the whole axis.
    pub fn slab_count(&self) -> usize {
        self.slabs
    }

    /// Entries that this member holds.
    pub fn len(&self) -> usize {
        self.end() - self.start()
    }

    /// Whether this member holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The first entry that this member holds, a multiple of [`CHUNK`].
    pub fn start(&self) -> usize {
        self.bound(self.own.start)
    }

    fn end(&self) -> usize {
        self.bound(self.own.end)
    }

    /// Where slab `slab` starts.
    fn bound(&self, slab: usize) -> usize {
        match self.slabs {
            1 => slab * self.length,
            _ if slab == self.slabs => self.length,
            _ => range(self.length, slab).start,
        }
    }

    /// The slabs that this member holds, counted from its first entry.
    pub fn slabs(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let bounds: Vec<usize> = (self.own.start..=self.own.end).map(|slab| self.bound(slab) - self.start()).collect();
        (1..bounds.len()).map(move |slab| bounds[slab - 1]..bounds[slab])
    }

    /// The parts of this member's slabs, which come one by one.
    pub fn parts<P: Part + 'static>(&self) -> Parts<P> {
        let ends = self.slabs().map(|slab| slab.end).collect();
        Parts { partials: Partials::new(self.slabs), next: self.own.start, ends, team: self.team.clone() }
    }

    /// Sums of `count` numbers over all slabs; `add` adds those of one slab, given as a range of this member's entries, to zeros. Every member must
    /// call it with the same `count`.
    pub fn sum(&self, count: usize, mut add: impl FnMut(Range<usize>, &mut [f64])) -> Vec<f64> {
        if count == 0 {
            self.slabs().for_each(|range| add(range, &mut []));
            return Vec::new();
        }
        let mut parts = self.parts();
        for range in self.slabs() {
            let mut sum = vec![0.0; count];
            add(range, &mut sum);
            parts.push(sum);
        }
        parts.combine()
    }
}

/// See [`Share::parts`].
pub struct Parts<P> {
    partials: Partials<P>,
    next: usize,
    /// The ends of the slabs to come.
    ends: VecDeque<usize>,
    team: Team,
}

impl<P: Part + 'static> Parts<P> {
    /// Whether the slab that is being visited ends at `end`, counted from this member's first entry.
    pub fn ends_slab(&self, end: usize) -> bool {
        self.ends.front() == Some(&end)
    }

    /// Adds the part of the next slab.
    pub fn push(&mut self, part: P) {
        self.partials.push(self.next, part);
        self.next += 1;
        self.ends.pop_front();
    }

    /// The whole. Every member must call it, after its last slab.
    pub fn combine(self) -> P {
        self.team.combine(self.partials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_cover_the_axis_in_whole_chunks() {
        for length in
            [0, 1, 4095, 4096, 16_383, 16_384, 20_479, 20_480, 100_000, 1_000_000, 1_048_576, 10_000_019, 1_000_000_000_000]
        {
            let slabs = count(length);
            let mut end = 0;
            for slab in 0..slabs {
                let range = range(length, slab);
                assert_eq!(range.start, end);
                assert!(range.start.is_multiple_of(CHUNK) && (range.len() >= CHUNK || slabs == 1), "{length}: {range:?}");
                end = range.end;
            }
            assert_eq!(end, length);
        }
    }

    #[test]
    fn shares_of_members_cover_the_axis_once() {
        for length in [1, 10_000, 123_456, 2_000_000] {
            for members in [1, 2, 3, 7, 300] {
                let teams = Team::of_threads(members, None, 0, members);
                let shares: Vec<Share> = teams.iter().map(|team| Share::of(length, team)).collect();
                assert_eq!(shares.iter().map(Share::len).sum::<usize>(), length);
                for pair in shares.windows(2) {
                    assert_eq!(pair[0].start() + pair[0].len(), pair[1].start());
                }
                for share in &shares {
                    assert_eq!(share.slabs().map(|slab| slab.len()).sum::<usize>(), share.len());
                }
            }
        }
    }
}
