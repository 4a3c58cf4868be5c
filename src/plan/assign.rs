//! Units → ranks: the units of all cells, balanced by predicted cost.
//!
//! Longest processing time first (Graham 1969): units in order of falling cost, each to the rank with the least work so far. No
//! rank then exceeds the mean by more than one unit of the largest cost. U units on R ranks take O(U log R) time, and every rank
//! can work out its own share without the others'.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::experiment::Unit;

/// The units of each of `ranks` ranks, the most costly first. `costs[c]` is the predicted seconds of one unit of cell c; each cell
/// has `networks` units. A pure function: equal arguments give equal shares everywhere.
pub fn assign(costs: &[f64], networks: usize, ranks: usize) -> Vec<Vec<Unit>> {
    let mut shares = vec![Vec::new(); ranks];
    deal(costs, networks, ranks, |_| true, |rank, unit| shares[rank].push(unit));
    shares
}

/// `assign(costs, networks, ranks)[rank]` of the units that are `wanted`, without memory for the shares of the other ranks.
pub fn share_of(rank: usize, costs: &[f64], networks: usize, ranks: usize, wanted: impl Fn(Unit) -> bool) -> Vec<Unit> {
    let mut share = Vec::new();
    deal(costs, networks, ranks, wanted, |to, unit| {
        if to == rank {
            share.push(unit);
        }
    });
    share
}

/// Calls `give(rank, unit)` for every unit `wanted`, in order of falling cost (ties: by cell, then network).
fn deal(costs: &[f64], networks: usize, ranks: usize, wanted: impl Fn(Unit) -> bool, mut give: impl FnMut(usize, Unit)) {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by(|&a, &b| costs[b].total_cmp(&costs[a]).then(a.cmp(&b)));
    let mut heap: BinaryHeap<Load> = (0..ranks).map(|rank| Load { seconds: 0.0, units: 0, rank }).collect();
    for cell in order {
        for unit in (0..networks).map(|network| Unit { cell, network }).filter(|&unit| wanted(unit)) {
            let Some(mut least) = heap.peek_mut() else { return };
            give(least.rank, unit);
            least.seconds += costs[cell];
            least.units += 1;
        }
    }
}

/// The seconds of each of `threads` threads that take `units` in turn, each the next one when it is free.
pub fn loads_of_threads(units: &[Unit], costs: &[f64], threads: usize) -> Vec<f64> {
    let mut heap: BinaryHeap<Load> = (0..threads).map(|rank| Load { seconds: 0.0, units: 0, rank }).collect();
    for unit in units {
        let Some(mut least) = heap.peek_mut() else { break };
        least.seconds += costs[unit.cell];
    }
    heap.into_iter().map(|load| load.seconds).collect()
}

/// The work of one rank so far. The greatest `Load` is the one with the least work: a `BinaryHeap` has its greatest on top.
#[derive(PartialEq)]
struct Load {
    seconds: f64,
    units: usize,
    rank: usize,
}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> Ordering {
        let work = other.seconds.total_cmp(&self.seconds);
        work.then(other.units.cmp(&self.units)).then(other.rank.cmp(&self.rank))
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Load {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Costs over six orders of magnitude, some of them equal, in no order.
    fn costs(cells: usize) -> Vec<f64> {
        (0..cells).map(|cell| 10f64.powi((cell * 7 % 13) as i32 / 2) * 1e-4).collect()
    }

    fn load(share: &[Unit], costs: &[f64]) -> f64 {
        share.iter().map(|unit| costs[unit.cell]).sum()
    }

    #[test]
    fn every_unit_is_dealt_exactly_once() {
        for (cells, networks, ranks) in [(1, 1, 1), (13, 7, 3), (40, 100, 64), (3, 2, 50), (0, 5, 4)] {
            let mut units: Vec<Unit> = assign(&costs(cells), networks, ranks).concat();
            units.sort();
            let all: Vec<Unit> = (0..cells).flat_map(|cell| (0..networks).map(move |network| Unit { cell, network })).collect();
            assert_eq!(units, all, "{cells} cells, {networks} networks, {ranks} ranks");
        }
    }

    #[test]
    fn no_rank_exceeds_the_mean_by_more_than_the_largest_unit() {
        for ranks in [2, 3, 7, 64, 1000] {
            let costs = costs(40);
            let shares = assign(&costs, 100, ranks);
            let mean = costs.iter().sum::<f64>() * 100.0 / ranks as f64;
            let largest = costs.iter().copied().fold(0.0, f64::max);
            let most = shares.iter().map(|share| load(share, &costs)).fold(0.0, f64::max);
            assert!(most <= (mean + largest) * (1.0 + 1e-12), "{ranks} ranks: {most} with mean {mean} and largest {largest}");
        }
    }

    #[test]
    fn shares_are_in_order_of_falling_cost() {
        let costs = costs(30);
        for share in assign(&costs, 11, 5) {
            assert!(share.windows(2).all(|pair| costs[pair[0].cell] >= costs[pair[1].cell]));
        }
    }

    #[test]
    fn a_rank_works_out_its_own_share() {
        let costs = costs(25);
        let shares = assign(&costs, 9, 7);
        assert_eq!(shares, assign(&costs, 9, 7));
        for (rank, share) in shares.iter().enumerate() {
            assert_eq!(&share_of(rank, &costs, 9, 7, |_| true), share);
        }
    }

    #[test]
    fn threads_take_units_as_they_are_free() {
        let units: Vec<Unit> = (0..4).map(|cell| Unit { cell, network: 0 }).collect();
        let mut loads = loads_of_threads(&units, &[5.0, 2.0, 2.0, 2.0], 2);
        loads.sort_by(f64::total_cmp);
        assert_eq!(loads, [5.0, 6.0]);
        assert_eq!(loads_of_threads(&units, &[1.0; 4], 8).iter().sum::<f64>(), 4.0);
    }

    #[test]
    fn what_is_not_wanted_is_not_dealt_and_the_rest_is_balanced() {
        let costs = costs(25);
        let wanted = |unit: Unit| unit.cell % 3 != 1 && unit.network != 4;
        let shares: Vec<Vec<Unit>> = (0..7).map(|rank| share_of(rank, &costs, 9, 7, wanted)).collect();
        let mut units = shares.concat();
        units.sort();
        let all = (0..25).flat_map(|cell| (0..9).map(move |network| Unit { cell, network }));
        assert_eq!(units, all.filter(|&unit| wanted(unit)).collect::<Vec<_>>());
        let loads: Vec<f64> = shares.iter().map(|share| load(share, &costs)).collect();
        let (least, most) = (loads.iter().copied().fold(f64::MAX, f64::min), loads.iter().copied().fold(0.0, f64::max));
        assert!(most - least <= costs.iter().copied().fold(0.0, f64::max), "{loads:?}");
    }

    #[test]
    fn more_ranks_than_units_leaves_ranks_idle() {
        let shares = assign(&[1.0, 2.0], 2, 10);
        assert_eq!(shares.iter().filter(|share| share.len() == 1).count(), 4);
        assert_eq!(shares.iter().filter(|share| share.is_empty()).count(), 6);
    }

    #[test]
    fn units_that_cost_nothing_are_still_spread() {
        assert!(assign(&[0.0], 12, 4).iter().all(|share| share.len() == 3));
    }

    #[test]
    fn a_million_units_on_ten_thousand_ranks() {
        let costs = costs(1000);
        let shares = assign(&costs, 1000, 10_000);
        assert_eq!(shares.iter().map(Vec::len).sum::<usize>(), 1_000_000);
        let mean = costs.iter().sum::<f64>() * 1000.0 / 10_000.0;
        let most = shares.iter().map(|share| load(share, &costs)).fold(0.0, f64::max);
        assert!(most < 1.01 * mean, "{most} against a mean of {mean}");
    }
}
